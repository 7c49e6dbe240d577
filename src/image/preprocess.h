// From 8-bit pixels to the numbers a vision encoder takes: (value / 255 - mean) / std, in float, in this order, as
// torchvision's ToTensor and Normalize do.
#pragma once

#include <array>

#include "image/image.h"
#include "tensor/tensor.h"

namespace galago {

using Rgb = std::array<float, 3>;  // one number a channel: red, green, blue

Tensor to_tensor(const Image& image, const Rgb& mean = {0, 0, 0}, const Rgb& std = {1, 1, 1});  // [3, height, width]

}  // namespace galago
