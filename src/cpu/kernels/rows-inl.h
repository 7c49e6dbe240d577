// Kernels over one row: sums, largest value, the parts of normalisation and softmax, rotation.
#pragma once

#include "cpu/kernels/math-inl.h"

namespace galago::cpu::GALAGO_ISA {
namespace {

// Four sums side by side hide the latency of the additions. f(i, place) gives the vector to add.
template <class Function>
GALAGO_INLINE float sum_of(int64_t n, Function f) {
  F32 a = zero(), b = zero(), c = zero(), d = zero();
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    a = a + f(i, Whole{});
    b = b + f(i + kLanes, Whole{});
    c = c + f(i + 2 * kLanes, Whole{});
    d = d + f(i + 3 * kLanes, Whole{});
  }
  for (; i + kLanes <= n; i += kLanes) a = a + f(i, Whole{});
  if (i < n) b = b + f(i, Part{static_cast<int>(n - i)});
  return reduce_add((a + b) + (c + d));
}

// f on the first lanes of a part, 0 on the others.
GALAGO_INLINE F32 keep(F32 v, Whole) { return v; }
GALAGO_INLINE F32 keep(F32 v, Part part) {
  float lanes[kLanes];
  store(lanes, v);
  return load_part(lanes, part.n);
}

float k_sum(const float* x, int64_t n) {
  return sum_of(n, [=](int64_t i, auto place) __attribute__((always_inline)) { return get(x + i, place); });
}

float k_sum_square(const float* x, float center, int64_t n) {
  return sum_of(n, [=](int64_t i, auto place) __attribute__((always_inline)) {
    F32 d = keep(get(x + i, place) - set(center), place);
    return d * d;
  });
}

float k_exp_sum(const float* x, float shift, float* y, int64_t n) {
  return sum_of(n, [=](int64_t i, auto place) __attribute__((always_inline)) {
    F32 e = exp(get(x + i, place) - set(shift));
    put(y + i, e, place);
    return keep(e, place);
  });
}

float k_max(const float* x, int64_t n) {
  F32 most = set(-__builtin_inff());
  int64_t i = 0;
  bool nan = false;
  for (; i + kLanes <= n; i += kLanes) {
    F32 v = load(x + i);
    nan |= any(is_nan(v));
    most = max(v, most);
  }
  float result = reduce_max(most);
  for (; i < n; ++i) {
    nan |= x[i] != x[i];
    result = x[i] > result ? x[i] : result;
  }
  return nan ? __builtin_nanf("") : result;
}

template <bool has_gain, bool has_bias>
void standardize(const float* x, float mean, float inverse, const float* gain, const float* bias, float* y, int64_t n) {
  each_vector(n, [=](int64_t i, auto place) __attribute__((always_inline)) {
    F32 v = (get(x + i, place) - set(mean)) * set(inverse);
    if (has_gain) v = v * get(gain + i, place);
    if (has_bias) v = v + get(bias + i, place);
    put(y + i, v, place);
  });
}

void k_standardize(const float* x, float mean, float inverse, const float* gain, const float* bias, float* y, int64_t n) {
  if (gain && bias) return standardize<true, true>(x, mean, inverse, gain, bias, y, n);
  if (gain) return standardize<true, false>(x, mean, inverse, gain, bias, y, n);
  if (bias) return standardize<false, true>(x, mean, inverse, gain, bias, y, n);
  standardize<false, false>(x, mean, inverse, gain, bias, y, n);
}

void k_rotate_halves(const float* a, const float* b, const float* cos, const float* sin, float* ya, float* yb, int64_t n) {
  each_vector(n, [=](int64_t i, auto place) __attribute__((always_inline)) {
    F32 va = get(a + i, place), vb = get(b + i, place), c = get(cos + i, place), s = get(sin + i, place);
    put(ya + i, va * c - vb * s, place);
    put(yb + i, vb * c + va * s, place);
  });
}

void k_rotate_pairs(const float* x, const float* cos, const float* sin, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {  // short rows; the compiler's shuffles do
    float a = x[2 * i], b = x[2 * i + 1];
    y[2 * i] = a * cos[i] - b * sin[i];
    y[2 * i + 1] = b * cos[i] + a * sin[i];
  }
}

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
