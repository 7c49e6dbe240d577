// What IQ4_NL and IQ4_XS (ggml) share: a 4-bit code is an index into sixteen unevenly spaced values, denser near zero
// as weights are. Which index is nearest, and the search for a scale, follow ggml (src/ggml-quants.c).
#pragma once

#include "tensor/formats/codec.h"
#include "tensor/formats/fit.h"

namespace galago {

constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// The nearest value; the larger one in the middle between two.
inline int nearest_iq4(float v) {
  if (!(v > static_cast<float>(kIq4Values[0]))) return 0;  // also NaN
  if (v >= static_cast<float>(kIq4Values[15])) return 15;
  int above = 1;
  while (static_cast<float>(kIq4Values[above]) <= v) ++above;
  float below_by = v - static_cast<float>(kIq4Values[above - 1]), above_by = static_cast<float>(kIq4Values[above]) - v;
  return below_by < above_by ? above - 1 : above;
}

// x ~ scale * value, least squares weighted by w. Returns scale; 0 for a negligible group.
float fit_iq4(const float* x, const float* w, int n);

// Weights of 32 values: importance * sqrt(variance + x^2), or x^2 without importance.
inline void weigh_iq4(const float* x, const float* importance, float variance, float* w) {
  if (importance) {
    weigh(x, importance, variance, kGroupValues, w);
  } else {
    for (int i = 0; i < kGroupValues; ++i) w[i] = x[i] * x[i];
  }
}

inline void put_iq4(const float* x, float scale, uint8_t* bytes) {
  float inverse = reciprocal_or_zero(scale);
  int codes[kGroupValues];
  for (int i = 0; i < kGroupValues; ++i) codes[i] = nearest_iq4(inverse * x[i]);
  put_nibbles(bytes, codes);
}

}  // namespace galago
