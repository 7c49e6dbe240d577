// CPU loops for what libtorch 1.13 can only compose from many passes over memory: RMS norm and rotary positions.
// Private to src/torch. The meaning is the composition beside each call (ops/norm.cc, ops/attention.cc), which other
// devices use; tensors are contiguous, f32 or bf16 (sums and products in f32).
#pragma once

#include "torch/libtorch.h"

namespace galago::torch_backend {

// y[row] = x[row] r[row] gain, r = 1 / sqrt(mean(x^2) + eps). x f32 [rows, n]; r f32 [rows]; y f32 or bf16 [rows, n].
void rms_norm_forward(const at::Tensor& x, const at::Tensor& gain, float eps, at::Tensor& r, at::Tensor& y);
// dy f32 or bf16. Returns dx f32 [rows, n] and dgain f32 [n]; their bits do not depend on the number of threads.
std::pair<at::Tensor, at::Tensor> rms_norm_backward(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& r,
                                                    const at::Tensor& dy);
// x [B, T, H, D] f32 or bf16; cosines and sines f32 [T or B T, half]: channels (i, i + half), or with `pairs`
// (2i, 2i + 1), turn; the rest passes. `back` turns the other way. Result as x.
at::Tensor turn_channels(const at::Tensor& x, const at::Tensor& cosines, const at::Tensor& sines, bool pairs,
                         bool back);

}  // namespace galago::torch_backend
