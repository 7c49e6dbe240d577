// The searches for a scale that the block formats share. They follow ggml (src/ggml-quants.c) operation by operation,
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
  bool absolute = false;  // weighted sum of |error| instead of its squares
};

// With importance, every format that has minima searches like this.
constexpr FitSearch kImportanceSearch = {-0.9f, 0.05f, 36};

// x ~ scale * q - min with q in 0..top and min >= 0, least squares weighted by w. Returns scale.
float fit_scale_and_min(const float* x, const float* w, int n, int top, FitSearch search, int* q, float* min);

// x ~ scale * (q - top) with q in 0..2*top-1, least squares weighted by w, or by x*x if w is null. Returns scale.
float fit_symmetric(const float* x, const float* w, int n, int top, int* q);

// The same range of codes with weights x*x, but found by changing one code at a time (Q3_K without importance).
float fit_stepwise(const float* x, int n, int top, int* q);

// Scales or minima x >= 0 as step * q with q in 0..top. Returns step. With weights w: least squares; without: the
// largest becomes top.
float fit_positive(const float* x, const float* w, int n, int top, int* q);

inline float sum_of_squares(const float* x, int64_t n) {
  float sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += x[i] * x[i];
  return sum;
}

// w = importance * sqrt(variance + x^2). Returns their sum.
inline float weigh(const float* x, const float* importance, float variance, int n, float* w) {
  float sum = 0;
  for (int i = 0; i < n; ++i) {
    w[i] = importance[i] * std::sqrt(variance + x[i] * x[i]);
    sum += w[i];
  }
  return sum;
}

}  // namespace galago
