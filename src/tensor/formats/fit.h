// The searches for a scale that the K formats share. They follow ggml (src/ggml-quants.c) operation by operation,
// because the bytes of a quantized file are compared.
#pragma once

#include <algorithm>

#include "tensor/formats/codec.h"

namespace galago {

constexpr float kNegligible = 1e-15f;  // a group with no larger element is stored as zero

// Trial inverse scales are (first + step * s + top) / range for s = 0 .. n_steps.
struct FitSearch {
  float first, step;
  int n_steps;
};

// x ~ scale * q - min with q in 0..top and min >= 0, least squares weighted by w. Returns scale.
float fit_scale_and_min(const float* x, const float* w, int n, int top, FitSearch search, int* q, float* min);

// x ~ scale * (q - top) with q in 0..2*top-1, least squares weighted by x*x. Returns scale.
float fit_symmetric(const float* x, int n, int top, int* q);

}  // namespace galago
