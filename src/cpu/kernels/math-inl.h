// exp, log, tanh, erf, sin and cos of vectors. Polynomials are minimax fits made for these intervals; errors below are
// the largest found on 10^6 points each against double (tests/cpu/kernels_test.cc checks the bounds).
// Special values follow <cmath>: exp(-inf) = 0, log(0) = -inf, log(-1) = NaN, NaN stays NaN.
#pragma once

#include "cpu/kernels/simd-inl.h"

namespace galago::cpu::GALAGO_ISA {
namespace {

// c[0] + c[1] x + ... by Horner's rule.
template <int n>
GALAGO_INLINE F32 polynomial(F32 x, const float (&c)[n]) {
  F32 y = set(c[n - 1]);
#pragma GCC unroll 16
  for (int i = n - 2; i >= 0; --i) y = fma(y, x, set(c[i]));
  return y;
}

// 2^n for -126 <= n <= 127.
GALAGO_INLINE F32 power_of_two(I32 n) { return from_bits(shift_left<23>(n + set_i32(127))); }

// ln 2 = kLn2High + kLn2Low; the high part has 9 bits, so that n * high is exact without FMA too.
constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;

// exp(x) = 2^n exp(r), |r| <= ln(2)/2. 1.5 ulp. The scale is applied in halves where there is no instruction for it, so that results below 2^-126 are kept.
GALAGO_INLINE F32 exp(F32 x) {
  constexpr float kTerms[] = {4.999999404e-01f, 1.666652113e-01f, 4.166838899e-02f, 8.368710056e-03f, 1.381461276e-03f};
  x = max(set(-104.5f), min(set(89.0f), x));
  I32 n = round_to_i32(x * set(1.44269504f));
  F32 count = to_f32(n);
  F32 r = fma(count, set(-kLn2High), x);
  r = fma(count, set(-kLn2Low), r);
  F32 y = fma(r * r, polynomial(r, kTerms), r) + set(1.0f);
#if defined(GALAGO_ISA_AVX512)
  return {_mm512_scalef_ps(y.v, count.v)};
#else
  I32 half = shift_right<1>(n);
  return y * power_of_two(half) * power_of_two(n - half);
#endif
}

// log(x) = e ln 2 + log(1 + f), sqrt(1/2) <= 1 + f < sqrt(2). 1.5 ulp.
GALAGO_INLINE F32 log(F32 x) {
  constexpr float kTerms[] = {3.333331347e-01f,  -2.500000894e-01f, 2.000211924e-01f,  -1.666799635e-01f, 1.421955228e-01f,
                              -1.240558922e-01f, 1.188816205e-01f,  -1.167565212e-01f, 6.746640801e-02f};
  constexpr int32_t kSqrtHalf = 0x3F3504F3;
  Mask tiny = x < set(0x1p-126f);
  F32 scaled = select(tiny, x * set(0x1p23f), x);
  I32 e = shift_right<23>(bits(scaled) - set_i32(kSqrtHalf));
  F32 f = from_bits(bits(scaled) - shift_left<23>(e)) - set(1.0f);
  F32 exponent = to_f32(e) - select(tiny, set(23.0f), zero());
  F32 square = f * f;
  F32 y = fma(square * f, polynomial(f, kTerms), exponent * set(kLn2Low));
  y = fma(square, set(-0.5f), y) + f;
  y = fma(exponent, set(kLn2High), y);
  constexpr float kInf = __builtin_inff();
  y = select(x < set(kInf), y, x);                                        // infinity and NaN
  y = select(x < set(0x1p-149f), set(-kInf), y);                          // 0 (and below)
  return select(x < zero(), set(__builtin_nanf("")), y);
}

// A series where exp would cancel. 2 ulp.
GALAGO_INLINE F32 tanh(F32 x) {
  constexpr float kTerms[] = {-3.333328366e-01f, 1.333149076e-01f, -5.374349654e-02f, 2.065058798e-02f, -5.717045162e-03f};
  F32 size = abs(x), square = x * x;
  F32 small = fma(x * square, polynomial(square, kTerms), x);
  F32 large = set(1.0f) - set(2.0f) / (exp(size + size) + set(1.0f));
  return select(size < set(0.625f), small, copy_sign(large, x));
}

// |x| < 1: x P(x^2); above: 1 - exp(-Q(|x|)), Q fitted to -log(erfc). 2 ulp.
GALAGO_INLINE F32 erf(F32 x) {
  constexpr float kSmall[] = {1.128379107e+00f, -3.761262596e-01f, 1.128360033e-01f, -2.685444430e-02f,
                              5.189535674e-03f, -8.020842215e-04f, 7.889122935e-05f};
  constexpr float kLarge[] = {-1.884683879e-04f, 1.129580259e+00f, 6.332163811e-01f,  1.084221080e-01f,
                              -2.521034330e-02f, 4.205286037e-03f, -4.414728901e-04f, 2.169763320e-05f};
  F32 size = abs(x);
  F32 small = x * polynomial(x * x, kSmall);
  F32 large = set(1.0f) - exp(-polynomial(min(set(4.1f), size), kLarge));
  return select(size < set(1.0f), small, copy_sign(large, x));
}

GALAGO_INLINE F32 sigmoid(F32 x) { return set(1.0f) / (exp(-x) + set(1.0f)); }

// Both at once. x = n pi/2 + r, |r| <= pi/4, pi/2 in three parts; needs FMA and |x| <= 10^5: 2 ulp of 1 (absolute error
// 1.2e-7; relative near the zeros of sin and cos for |x| > 1). kernel sincos uses libm elsewhere.
GALAGO_INLINE void sincos_reduced(F32 x, F32* sin, F32* cos) {
  constexpr float kSin[] = {-1.666666716e-01f, 8.333329111e-03f, -1.983929542e-04f, 2.717939878e-06f};
  constexpr float kCos[] = {4.166666791e-02f, -1.388888340e-03f, 2.479947943e-05f, -2.720679504e-07f};
  I32 n = round_to_i32(x * set(0.636619772f));
  F32 count = to_f32(n);
  F32 r = fma(count, set(-1.5707963705e+00f), x);
  r = fma(count, set(4.3711388287e-08f), r);
  r = fma(count, set(1.7151245100e-15f), r);
  F32 square = r * r;
  F32 s = fma(r * square, polynomial(square, kSin), r);
  F32 c = fma(square * square, polynomial(square, kCos), fma(square, set(-0.5f), set(1.0f)));
  Mask swap = (n & set_i32(1)) == set_i32(1);
  F32 a = select(swap, c, s), b = select(swap, s, c);
  // Quadrants 2, 3 turn the sign of sin; 1, 2 that of cos.
  *sin = from_bits(bits(a) + shift_left<30>(n & set_i32(2)));
  *cos = from_bits(bits(b) + shift_left<30>((n + set_i32(1)) & set_i32(2)));
}

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
