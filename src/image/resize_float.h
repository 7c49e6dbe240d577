// Resizing of pictures that are numbers already, as torch does it on tensors: nothing is rounded or clamped, so a
// bicubic result may overshoot. Used for views that published code makes from normalised pixels.
#pragma once

#include "image/resize.h"
#include "tensor/tensor.h"

namespace galago {

// f32 [planes, h, w] -> [planes, height, width], horizontal pass first. Sizes must be positive (CHECK).
// Pillow's kernels (a = -0.5), stretched when the picture shrinks: torch's interpolate(antialias=True).
Tensor resize_antialiased(const Tensor& planes, int width, int height, Filter filter, ThreadPool* pool = nullptr);
// torch's interpolate(mode=bicubic, align_corners=False): a = -0.75, 16 pixels for each result however much it shrinks.
Tensor resize_torch_bicubic(const Tensor& planes, int width, int height, ThreadPool* pool = nullptr);

}  // namespace galago
