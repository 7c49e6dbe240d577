// Vec<n>: n floats as vectors, one for each row of a panel (n = 16) or of a unit of rows (dot-inl.h).
#pragma once

namespace galago::cpu::GALAGO_ISA {
namespace {

#define GALAGO_UNROLL _Pragma("GCC unroll 24")
#define GALAGO_LAMBDA_INLINE __attribute__((always_inline))

template <int n>
struct Vec {
  static constexpr int kParts = n / kLanes;
  F32 v[kParts];
};
using V16 = Vec<kPanelRows>;

template <int n, class Function>
GALAGO_INLINE Vec<n> vec_each(Function part) {
  Vec<n> r;
  GALAGO_UNROLL for (int i = 0; i < Vec<n>::kParts; ++i) r.v[i] = part(i);
  return r;
}

template <int n = kPanelRows>
GALAGO_INLINE Vec<n> vec_set(float x) {
  return vec_each<n>([=](int) GALAGO_LAMBDA_INLINE { return set(x); });
}
template <int n = kPanelRows>
GALAGO_INLINE Vec<n> vec_load(const float* p) {
  return vec_each<n>([=](int i) GALAGO_LAMBDA_INLINE { return load(p + i * kLanes); });
}
template <int n = kPanelRows>
GALAGO_INLINE Vec<n> vec_load_f16(const uint16_t* p) {
  return vec_each<n>([=](int i) GALAGO_LAMBDA_INLINE { return load_f16(p + i * kLanes); });
}
template <int n = kPanelRows>
GALAGO_INLINE Vec<n> vec_load_bf16(const uint16_t* p) {
  return vec_each<n>([=](int i) GALAGO_LAMBDA_INLINE { return load_bf16(p + i * kLanes); });
}
template <int n = kPanelRows>
GALAGO_INLINE Vec<n> vec_load_u8(const uint8_t* p) {
  return vec_each<n>([=](int i) GALAGO_LAMBDA_INLINE { return load_u8(p + i * kLanes); });
}
template <int n = kPanelRows>
GALAGO_INLINE Vec<n> vec_load_i8(const uint8_t* p) {
  return vec_each<n>([=](int i) GALAGO_LAMBDA_INLINE { return load_i8(p + i * kLanes); });
}
template <int n>
GALAGO_INLINE Vec<n> vec_fma(const Vec<n>& a, const Vec<n>& b, const Vec<n>& c) {
  return vec_each<n>([&](int i) GALAGO_LAMBDA_INLINE { return fma(a.v[i], b.v[i], c.v[i]); });
}
template <int n>
GALAGO_INLINE Vec<n> vec_mul(const Vec<n>& a, const Vec<n>& b) {
  return vec_each<n>([&](int i) GALAGO_LAMBDA_INLINE { return a.v[i] * b.v[i]; });
}
template <int n>
GALAGO_INLINE Vec<n> vec_add(const Vec<n>& a, const Vec<n>& b) {
  return vec_each<n>([&](int i) GALAGO_LAMBDA_INLINE { return a.v[i] + b.v[i]; });
}
template <int n>
GALAGO_INLINE Vec<n> vec_max(const Vec<n>& a, const Vec<n>& b) {
  return vec_each<n>([&](int i) GALAGO_LAMBDA_INLINE { return max(a.v[i], b.v[i]); });
}
template <int n>
GALAGO_INLINE Vec<n> vec_abs(const Vec<n>& a) {
  return vec_each<n>([&](int i) GALAGO_LAMBDA_INLINE { return abs(a.v[i]); });
}
template <int n>
GALAGO_INLINE float vec_reduce_add(const Vec<n>& a) {
  F32 sum = a.v[0];
  GALAGO_UNROLL for (int i = 1; i < Vec<n>::kParts; ++i) sum = sum + a.v[i];
  return reduce_add(sum);
}
template <int n>
GALAGO_INLINE float vec_reduce_max(const Vec<n>& a) {
  F32 largest = a.v[0];
  GALAGO_UNROLL for (int i = 1; i < Vec<n>::kParts; ++i) largest = max(largest, a.v[i]);
  return reduce_max(largest);
}
template <int n>
GALAGO_INLINE void vec_store(float* p, const Vec<n>& a) {
  GALAGO_UNROLL for (int i = 0; i < Vec<n>::kParts; ++i) store(p + i * kLanes, a.v[i]);
}

// The first `count` of n; the others read as 0 and are not written.
GALAGO_INLINE int lanes_of_part(int64_t count, int part) {
  const int64_t left = count - part * kLanes;
  return static_cast<int>(left <= 0 ? 0 : left >= kLanes ? kLanes : left);
}
template <int n = kPanelRows>
GALAGO_INLINE Vec<n> vec_load_part(const float* p, int64_t count) {
  if (count >= n) return vec_load<n>(p);
  return vec_each<n>([=](int i) GALAGO_LAMBDA_INLINE {
    const int lanes = lanes_of_part(count, i);
    return lanes == kLanes ? load(p + i * kLanes) : load_part(p + i * kLanes, lanes);
  });
}
template <int n>
GALAGO_INLINE void vec_store_part(float* p, const Vec<n>& a, int64_t count) {
  if (count >= n) return vec_store(p, a);
  GALAGO_UNROLL for (int i = 0; i < Vec<n>::kParts; ++i) {
    const int lanes = lanes_of_part(count, i);
    lanes == kLanes ? store(p + i * kLanes, a.v[i]) : store_part(p + i * kLanes, a.v[i], lanes);
  }
}

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
