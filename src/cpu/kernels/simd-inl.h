// The vector of the level being compiled: F32 (kLanes floats), I32 (kLanes integers), Mask (a truth value a lane), and the
// few operations kernels are written with. Widths: 1 (scalar), 4 (NEON), 8 (AVX2 + FMA), 16 (AVX-512).
//   load(p), store(p, v)          whole vectors, unaligned
//   load_part(p, n), store_part   the first n < kLanes lanes; the others read as 0 and are not written
//   fma(a, b, c) = a b + c        one rounding, except at the scalar level
//   max(a, b), min(a, b)          b if either is NaN, except at the NEON level (NaN)
//   select(mask, a, b)            mask ? a : b
//   each_vector(n, body)          body(i, Whole{}) for whole vectors and body(i, Part{n}) for the tail: get and put take these
#pragma once

#include <cstdint>
#include <cstring>

#if defined(GALAGO_ISA_AVX2) || defined(GALAGO_ISA_AVX512)
#if defined(__GNUC__) && !defined(__clang__)  // GCC bug 105593: its own headers warn when inlined
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#if !defined(GALAGO_EMULATED)  // tests/emulated/avx512.h
#include <immintrin.h>
#endif
#elif defined(GALAGO_ISA_NEON)
#include <arm_neon.h>
#endif

namespace galago::cpu::GALAGO_ISA {
namespace {

#define GALAGO_INLINE inline __attribute__((always_inline))

#if defined(GALAGO_ISA_AVX512)

constexpr int kLanes = 16;
struct F32 { __m512 v; };
struct I32 { __m512i v; };
struct Mask { __mmask16 v; };

GALAGO_INLINE __mmask16 first_lanes(int n) { return static_cast<__mmask16>((1u << n) - 1); }
GALAGO_INLINE F32 set(float x) { return {_mm512_set1_ps(x)}; }
GALAGO_INLINE F32 load(const float* p) { return {_mm512_loadu_ps(p)}; }
GALAGO_INLINE F32 load_part(const float* p, int n) { return {_mm512_maskz_loadu_ps(first_lanes(n), p)}; }
GALAGO_INLINE void store(float* p, F32 a) { _mm512_storeu_ps(p, a.v); }
GALAGO_INLINE void store_part(float* p, F32 a, int n) { _mm512_mask_storeu_ps(p, first_lanes(n), a.v); }
GALAGO_INLINE F32 operator+(F32 a, F32 b) { return {_mm512_add_ps(a.v, b.v)}; }
GALAGO_INLINE F32 operator-(F32 a, F32 b) { return {_mm512_sub_ps(a.v, b.v)}; }
GALAGO_INLINE F32 operator*(F32 a, F32 b) { return {_mm512_mul_ps(a.v, b.v)}; }
GALAGO_INLINE F32 operator/(F32 a, F32 b) { return {_mm512_div_ps(a.v, b.v)}; }
GALAGO_INLINE F32 fma(F32 a, F32 b, F32 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
GALAGO_INLINE F32 max(F32 a, F32 b) { return {_mm512_max_ps(a.v, b.v)}; }
GALAGO_INLINE F32 min(F32 a, F32 b) { return {_mm512_min_ps(a.v, b.v)}; }
GALAGO_INLINE F32 sqrt(F32 a) { return {_mm512_sqrt_ps(a.v)}; }
GALAGO_INLINE Mask operator<(F32 a, F32 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
GALAGO_INLINE Mask is_nan(F32 a) { return {_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q)}; }
GALAGO_INLINE Mask operator==(I32 a, I32 b) { return {_mm512_cmpeq_epi32_mask(a.v, b.v)}; }
GALAGO_INLINE F32 select(Mask m, F32 a, F32 b) { return {_mm512_mask_blend_ps(m.v, b.v, a.v)}; }
GALAGO_INLINE bool any(Mask m) { return m.v != 0; }
GALAGO_INLINE I32 bits(F32 a) { return {_mm512_castps_si512(a.v)}; }
GALAGO_INLINE F32 from_bits(I32 a) { return {_mm512_castsi512_ps(a.v)}; }
GALAGO_INLINE I32 set_i32(int32_t x) { return {_mm512_set1_epi32(x)}; }
GALAGO_INLINE I32 operator+(I32 a, I32 b) { return {_mm512_add_epi32(a.v, b.v)}; }
GALAGO_INLINE I32 operator-(I32 a, I32 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
GALAGO_INLINE I32 operator&(I32 a, I32 b) { return {_mm512_and_si512(a.v, b.v)}; }
GALAGO_INLINE I32 operator|(I32 a, I32 b) { return {_mm512_or_si512(a.v, b.v)}; }
template <int n> GALAGO_INLINE I32 shift_left(I32 a) { return {_mm512_slli_epi32(a.v, n)}; }
template <int n> GALAGO_INLINE I32 shift_right(I32 a) { return {_mm512_srai_epi32(a.v, n)}; }  // keeps the sign
GALAGO_INLINE I32 round_to_i32(F32 a) { return {_mm512_cvtps_epi32(a.v)}; }
GALAGO_INLINE F32 to_f32(I32 a) { return {_mm512_cvtepi32_ps(a.v)}; }
GALAGO_INLINE float reduce_add(F32 a) { return _mm512_reduce_add_ps(a.v); }
GALAGO_INLINE float reduce_max(F32 a) { return _mm512_reduce_max_ps(a.v); }
GALAGO_INLINE F32 load_f16(const uint16_t* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
GALAGO_INLINE void store_f16(uint16_t* p, F32 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT));
}
GALAGO_INLINE F32 load_bf16(const uint16_t* p) {
  __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16))};
}
// Bytes as floats, and one f16 in every lane.
GALAGO_INLINE F32 load_u8(const uint8_t* p) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}
GALAGO_INLINE F32 load_i8(const uint8_t* p) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}
GALAGO_INLINE F32 set_f16(const uint16_t* p) { return {_mm512_cvtph_ps(_mm256_set1_epi16(static_cast<short>(*p)))}; }
#if !defined(GALAGO_EMULATED)
GALAGO_INLINE void reduce_add_four(F32 a, F32 b, F32 c, F32 d, float* sums) {
  const __m512 ab = _mm512_add_ps(_mm512_unpacklo_ps(a.v, b.v), _mm512_unpackhi_ps(a.v, b.v));
  const __m512 cd = _mm512_add_ps(_mm512_unpacklo_ps(c.v, d.v), _mm512_unpackhi_ps(c.v, d.v));
  const __m512 all = _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xEE));  // in each quarter
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
  _mm_storeu_ps(sums, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}
#define GALAGO_REDUCE_ADD_FOUR 1
#endif

#elif defined(GALAGO_ISA_AVX2)

constexpr int kLanes = 8;
struct F32 { __m256 v; };
struct I32 { __m256i v; };
struct Mask { __m256 v; };

GALAGO_INLINE __m256i first_lanes(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
GALAGO_INLINE F32 set(float x) { return {_mm256_set1_ps(x)}; }
GALAGO_INLINE F32 load(const float* p) { return {_mm256_loadu_ps(p)}; }
GALAGO_INLINE F32 load_part(const float* p, int n) { return {_mm256_maskload_ps(p, first_lanes(n))}; }
GALAGO_INLINE void store(float* p, F32 a) { _mm256_storeu_ps(p, a.v); }
GALAGO_INLINE void store_part(float* p, F32 a, int n) { _mm256_maskstore_ps(p, first_lanes(n), a.v); }
GALAGO_INLINE F32 operator+(F32 a, F32 b) { return {_mm256_add_ps(a.v, b.v)}; }
GALAGO_INLINE F32 operator-(F32 a, F32 b) { return {_mm256_sub_ps(a.v, b.v)}; }
GALAGO_INLINE F32 operator*(F32 a, F32 b) { return {_mm256_mul_ps(a.v, b.v)}; }
GALAGO_INLINE F32 operator/(F32 a, F32 b) { return {_mm256_div_ps(a.v, b.v)}; }
GALAGO_INLINE F32 fma(F32 a, F32 b, F32 c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
GALAGO_INLINE F32 max(F32 a, F32 b) { return {_mm256_max_ps(a.v, b.v)}; }
GALAGO_INLINE F32 min(F32 a, F32 b) { return {_mm256_min_ps(a.v, b.v)}; }
GALAGO_INLINE F32 sqrt(F32 a) { return {_mm256_sqrt_ps(a.v)}; }
GALAGO_INLINE Mask operator<(F32 a, F32 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
GALAGO_INLINE Mask is_nan(F32 a) { return {_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q)}; }
GALAGO_INLINE Mask operator==(I32 a, I32 b) { return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(a.v, b.v))}; }
GALAGO_INLINE F32 select(Mask m, F32 a, F32 b) { return {_mm256_blendv_ps(b.v, a.v, m.v)}; }
GALAGO_INLINE bool any(Mask m) { return _mm256_movemask_ps(m.v) != 0; }
GALAGO_INLINE I32 bits(F32 a) { return {_mm256_castps_si256(a.v)}; }
GALAGO_INLINE F32 from_bits(I32 a) { return {_mm256_castsi256_ps(a.v)}; }
GALAGO_INLINE I32 set_i32(int32_t x) { return {_mm256_set1_epi32(x)}; }
GALAGO_INLINE I32 operator+(I32 a, I32 b) { return {_mm256_add_epi32(a.v, b.v)}; }
GALAGO_INLINE I32 operator-(I32 a, I32 b) { return {_mm256_sub_epi32(a.v, b.v)}; }
GALAGO_INLINE I32 operator&(I32 a, I32 b) { return {_mm256_and_si256(a.v, b.v)}; }
GALAGO_INLINE I32 operator|(I32 a, I32 b) { return {_mm256_or_si256(a.v, b.v)}; }
template <int n> GALAGO_INLINE I32 shift_left(I32 a) { return {_mm256_slli_epi32(a.v, n)}; }
template <int n> GALAGO_INLINE I32 shift_right(I32 a) { return {_mm256_srai_epi32(a.v, n)}; }  // keeps the sign
GALAGO_INLINE I32 round_to_i32(F32 a) { return {_mm256_cvtps_epi32(a.v)}; }
GALAGO_INLINE F32 to_f32(I32 a) { return {_mm256_cvtepi32_ps(a.v)}; }
GALAGO_INLINE float reduce_add(F32 a) {
  __m128 x = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  x = _mm_add_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}
GALAGO_INLINE float reduce_max(F32 a) {
  __m128 x = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  x = _mm_max_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
}
GALAGO_INLINE F32 load_f16(const uint16_t* p) {
  return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
GALAGO_INLINE void store_f16(uint16_t* p, F32 a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT));
}
GALAGO_INLINE F32 load_bf16(const uint16_t* p) {
  __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16))};
}
GALAGO_INLINE F32 load_u8(const uint8_t* p) {
  return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))))};
}
GALAGO_INLINE F32 load_i8(const uint8_t* p) {
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))))};
}
GALAGO_INLINE F32 set_f16(const uint16_t* p) { return {_mm256_cvtph_ps(_mm_set1_epi16(static_cast<short>(*p)))}; }
// The sums of four vectors.
GALAGO_INLINE void reduce_add_four(F32 a, F32 b, F32 c, F32 d, float* sums) {
  __m256 x = _mm256_hadd_ps(_mm256_hadd_ps(a.v, b.v), _mm256_hadd_ps(c.v, d.v));
  _mm_storeu_ps(sums, _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1)));
}
#define GALAGO_REDUCE_ADD_FOUR 1

#elif defined(GALAGO_ISA_NEON)

constexpr int kLanes = 4;
struct F32 { float32x4_t v; };
struct I32 { int32x4_t v; };
struct Mask { uint32x4_t v; };

GALAGO_INLINE F32 set(float x) { return {vdupq_n_f32(x)}; }
GALAGO_INLINE F32 load(const float* p) { return {vld1q_f32(p)}; }
GALAGO_INLINE F32 load_part(const float* p, int n) {
  float lanes[kLanes] = {};
  for (int i = 0; i < n; ++i) lanes[i] = p[i];
  return load(lanes);
}
GALAGO_INLINE void store(float* p, F32 a) { vst1q_f32(p, a.v); }
GALAGO_INLINE void store_part(float* p, F32 a, int n) {
  float lanes[kLanes];
  store(lanes, a);
  for (int i = 0; i < n; ++i) p[i] = lanes[i];
}
GALAGO_INLINE F32 operator+(F32 a, F32 b) { return {vaddq_f32(a.v, b.v)}; }
GALAGO_INLINE F32 operator-(F32 a, F32 b) { return {vsubq_f32(a.v, b.v)}; }
GALAGO_INLINE F32 operator*(F32 a, F32 b) { return {vmulq_f32(a.v, b.v)}; }
GALAGO_INLINE F32 operator/(F32 a, F32 b) { return {vdivq_f32(a.v, b.v)}; }
GALAGO_INLINE F32 fma(F32 a, F32 b, F32 c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
GALAGO_INLINE F32 max(F32 a, F32 b) { return {vmaxq_f32(a.v, b.v)}; }
GALAGO_INLINE F32 min(F32 a, F32 b) { return {vminq_f32(a.v, b.v)}; }
GALAGO_INLINE F32 sqrt(F32 a) { return {vsqrtq_f32(a.v)}; }
GALAGO_INLINE Mask operator<(F32 a, F32 b) { return {vcltq_f32(a.v, b.v)}; }
GALAGO_INLINE Mask is_nan(F32 a) { return {vmvnq_u32(vceqq_f32(a.v, a.v))}; }
GALAGO_INLINE Mask operator==(I32 a, I32 b) { return {vceqq_s32(a.v, b.v)}; }
GALAGO_INLINE F32 select(Mask m, F32 a, F32 b) { return {vbslq_f32(m.v, a.v, b.v)}; }
GALAGO_INLINE bool any(Mask m) { return vmaxvq_u32(m.v) != 0; }
GALAGO_INLINE I32 bits(F32 a) { return {vreinterpretq_s32_f32(a.v)}; }
GALAGO_INLINE F32 from_bits(I32 a) { return {vreinterpretq_f32_s32(a.v)}; }
GALAGO_INLINE I32 set_i32(int32_t x) { return {vdupq_n_s32(x)}; }
GALAGO_INLINE I32 operator+(I32 a, I32 b) { return {vaddq_s32(a.v, b.v)}; }
GALAGO_INLINE I32 operator-(I32 a, I32 b) { return {vsubq_s32(a.v, b.v)}; }
GALAGO_INLINE I32 operator&(I32 a, I32 b) { return {vandq_s32(a.v, b.v)}; }
GALAGO_INLINE I32 operator|(I32 a, I32 b) { return {vorrq_s32(a.v, b.v)}; }
template <int n> GALAGO_INLINE I32 shift_left(I32 a) { return {vshlq_n_s32(a.v, n)}; }
template <int n> GALAGO_INLINE I32 shift_right(I32 a) { return {vshrq_n_s32(a.v, n)}; }  // keeps the sign
GALAGO_INLINE I32 round_to_i32(F32 a) { return {vcvtnq_s32_f32(a.v)}; }
GALAGO_INLINE F32 to_f32(I32 a) { return {vcvtq_f32_s32(a.v)}; }
GALAGO_INLINE float reduce_add(F32 a) { return vaddvq_f32(a.v); }
GALAGO_INLINE float reduce_max(F32 a) { return vmaxvq_f32(a.v); }
GALAGO_INLINE F32 load_f16(const uint16_t* p) { return {vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)))}; }
GALAGO_INLINE void store_f16(uint16_t* p, F32 a) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(a.v))); }
GALAGO_INLINE F32 load_bf16(const uint16_t* p) {
  return {vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(vld1_u16(p)), 16))};
}
GALAGO_INLINE F32 load_u8(const uint8_t* p) {
  uint32_t four;
  __builtin_memcpy(&four, p, 4);
  return {vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four))))))};
}
GALAGO_INLINE F32 load_i8(const uint8_t* p) {
  uint32_t four;
  __builtin_memcpy(&four, p, 4);
  return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(four))))))};
}
GALAGO_INLINE F32 set_f16(const uint16_t* p) { return {vcvt_f32_f16(vreinterpret_f16_u16(vld1_dup_u16(p)))}; }
GALAGO_INLINE void reduce_add_four(F32 a, F32 b, F32 c, F32 d, float* sums) {
  vst1q_f32(sums, vpaddq_f32(vpaddq_f32(a.v, b.v), vpaddq_f32(c.v, d.v)));
}
#define GALAGO_REDUCE_ADD_FOUR 1

#else  // scalar

constexpr int kLanes = 1;
struct F32 { float v; };
struct I32 { int32_t v; };
struct Mask { bool v; };

GALAGO_INLINE F32 set(float x) { return {x}; }
GALAGO_INLINE F32 load(const float* p) { return {*p}; }
GALAGO_INLINE F32 load_part(const float*, int) { return {0}; }
GALAGO_INLINE void store(float* p, F32 a) { *p = a.v; }
GALAGO_INLINE void store_part(float*, F32, int) {}
GALAGO_INLINE F32 operator+(F32 a, F32 b) { return {a.v + b.v}; }
GALAGO_INLINE F32 operator-(F32 a, F32 b) { return {a.v - b.v}; }
GALAGO_INLINE F32 operator*(F32 a, F32 b) { return {a.v * b.v}; }
GALAGO_INLINE F32 operator/(F32 a, F32 b) { return {a.v / b.v}; }
GALAGO_INLINE F32 fma(F32 a, F32 b, F32 c) { return {a.v * b.v + c.v}; }
GALAGO_INLINE F32 max(F32 a, F32 b) { return {a.v > b.v ? a.v : b.v}; }
GALAGO_INLINE F32 min(F32 a, F32 b) { return {a.v < b.v ? a.v : b.v}; }
GALAGO_INLINE F32 sqrt(F32 a) { return {__builtin_sqrtf(a.v)}; }
GALAGO_INLINE Mask operator<(F32 a, F32 b) { return {a.v < b.v}; }
GALAGO_INLINE Mask is_nan(F32 a) { return {a.v != a.v}; }
GALAGO_INLINE Mask operator==(I32 a, I32 b) { return {a.v == b.v}; }
GALAGO_INLINE F32 select(Mask m, F32 a, F32 b) { return {m.v ? a.v : b.v}; }
GALAGO_INLINE bool any(Mask m) { return m.v; }
GALAGO_INLINE I32 bits(F32 a) { return {__builtin_bit_cast(int32_t, a.v)}; }
GALAGO_INLINE F32 from_bits(I32 a) { return {__builtin_bit_cast(float, a.v)}; }
GALAGO_INLINE I32 set_i32(int32_t x) { return {x}; }
// As the vector instructions do, these wrap around.
GALAGO_INLINE I32 operator+(I32 a, I32 b) {
  return {static_cast<int32_t>(static_cast<uint32_t>(a.v) + static_cast<uint32_t>(b.v))};
}
GALAGO_INLINE I32 operator-(I32 a, I32 b) {
  return {static_cast<int32_t>(static_cast<uint32_t>(a.v) - static_cast<uint32_t>(b.v))};
}
GALAGO_INLINE I32 operator&(I32 a, I32 b) { return {a.v & b.v}; }
GALAGO_INLINE I32 operator|(I32 a, I32 b) { return {a.v | b.v}; }
template <int n> GALAGO_INLINE I32 shift_left(I32 a) { return {static_cast<int32_t>(static_cast<uint32_t>(a.v) << n)}; }
template <int n> GALAGO_INLINE I32 shift_right(I32 a) { return {a.v >> n}; }  // keeps the sign
GALAGO_INLINE I32 round_to_i32(F32 a) {  // out of range: the smallest integer, as on x86
  constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: the sum has no room for a fraction, so the addition rounds
  if (a.v > -0x1p22f && a.v < 0x1p22f) return {static_cast<int32_t>((a.v + kMagic) - kMagic)};
  if (!(a.v > -2147483648.0f && a.v < 2147483648.0f)) return {INT32_MIN};
  return {static_cast<int32_t>(__builtin_rintf(a.v))};
}
GALAGO_INLINE F32 to_f32(I32 a) { return {static_cast<float>(a.v)}; }
GALAGO_INLINE float reduce_add(F32 a) { return a.v; }
GALAGO_INLINE float reduce_max(F32 a) { return a.v; }
GALAGO_INLINE F32 load_bf16(const uint16_t* p) {
  return {__builtin_bit_cast(float, static_cast<uint32_t>(*p) << 16)};
}
// The software conversions of tensor/half.h, here because its inline functions must not be compiled with other flags.
GALAGO_INLINE F32 load_f16(const uint16_t* p) {
  uint32_t sign = static_cast<uint32_t>(*p & 0x8000) << 16, magnitude = *p & 0x7FFF;
  if (magnitude >= 0x7C00) return {__builtin_bit_cast(float, sign | 0x7F800000 | (magnitude & 0x3FF) << 13)};
  if (magnitude >= 0x0400) return {__builtin_bit_cast(float, sign | ((magnitude << 13) + (112u << 23)))};
  float subnormal = static_cast<float>(magnitude) * 0x1p-24f;
  return {sign ? -subnormal : subnormal};
}
GALAGO_INLINE void store_f16(uint16_t* p, F32 a) {
  uint32_t raw = __builtin_bit_cast(uint32_t, a.v), sign = (raw >> 16) & 0x8000, magnitude = raw & 0x7FFFFFFF;
  uint32_t half;
  if (magnitude > 0x7F800000) half = 0x7E00 | ((magnitude >> 13) & 0x3FF);
  else if (magnitude >= 0x477FF000) half = 0x7C00;
  else if (magnitude < 0x38800000)
    half = __builtin_bit_cast(uint32_t, __builtin_bit_cast(float, magnitude) + 0.5f) - 0x3F000000;
  else half = (magnitude - (112u << 23) + 0xFFF + ((magnitude >> 13) & 1)) >> 13;
  *p = static_cast<uint16_t>(sign | half);
}
GALAGO_INLINE F32 load_u8(const uint8_t* p) { return {static_cast<float>(*p)}; }
GALAGO_INLINE F32 load_i8(const uint8_t* p) { return {static_cast<float>(static_cast<int8_t>(*p))}; }
GALAGO_INLINE F32 set_f16(const uint16_t* p) { return load_f16(p); }

#endif

GALAGO_INLINE F32 operator-(F32 a) { return from_bits(bits(a) + set_i32(INT32_MIN)); }
GALAGO_INLINE F32 abs(F32 a) { return from_bits(bits(a) & set_i32(INT32_MAX)); }
GALAGO_INLINE F32 copy_sign(F32 magnitude, F32 sign) {
  return from_bits((bits(magnitude) & set_i32(INT32_MAX)) | (bits(sign) & set_i32(INT32_MIN)));
}
GALAGO_INLINE F32 zero() { return set(0.0f); }
#if !defined(GALAGO_REDUCE_ADD_FOUR)
GALAGO_INLINE void reduce_add_four(F32 a, F32 b, F32 c, F32 d, float* sums) {
  sums[0] = reduce_add(a), sums[1] = reduce_add(b), sums[2] = reduce_add(c), sums[3] = reduce_add(d);
}
#endif

// The compiler must have `v` in a register here and may not foresee its value.
#if defined(__x86_64__)
template <class T>
GALAGO_INLINE void keep(T& v) {
#if defined(GALAGO_ISA_AVX512) && !defined(GALAGO_EMULATED)
  asm volatile("" : "+v"(v));
#elif defined(GALAGO_EMULATED)
  asm volatile("" : "+m"(v));
#else
  asm volatile("" : "+x"(v));
#endif
}
#elif defined(__aarch64__)
template <class T>
GALAGO_INLINE void keep(T& v) {
  asm volatile("" : "+w"(v));
}
#else
template <class T>
GALAGO_INLINE void keep(T& v) {
  asm volatile("" : "+m"(v));
}
#endif

// The tail of a row is the same text as its body: `get(p, place)` and `put(p, v, place)` know how many lanes count.
struct Whole {};
struct Part { int n; };
GALAGO_INLINE F32 get(const float* p, Whole) { return load(p); }
GALAGO_INLINE F32 get(const float* p, Part part) { return load_part(p, part.n); }
GALAGO_INLINE void put(float* p, F32 v, Whole) { store(p, v); }
GALAGO_INLINE void put(float* p, F32 v, Part part) { store_part(p, v, part.n); }

template <class Body>
GALAGO_INLINE void each_vector(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(i, Whole{});
  if (i < n) body(i, Part{static_cast<int>(n - i)});
}

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
