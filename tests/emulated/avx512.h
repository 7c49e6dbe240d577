// The AVX-512 instructions that the kernels use, in plain C++, so that their avx512 level is tested on machines without
// it:
//   cmake --preset emulate && cmake --build --preset emulate && ctest --preset emulate
// Meanings after Intel's Intrinsics Guide. Included by the compiler before isa_avx512.cc in place of <immintrin.h>.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#define GALAGO_EMULATED 1

typedef float __m512 __attribute__((vector_size(64), aligned(64)));
typedef long long __m512i __attribute__((vector_size(64), aligned(64)));
typedef long long __m256i __attribute__((vector_size(32), aligned(32)));
typedef long long __m128i __attribute__((vector_size(16), aligned(16)));
typedef long long __m512bh __attribute__((vector_size(64), aligned(64)));
typedef uint16_t __mmask16;

enum { _CMP_UNORD_Q = 3, _CMP_LT_OQ = 17, _MM_FROUND_TO_NEAREST_INT = 0 };

namespace emulated {

template <class T, int bytes>
struct Lanes {
  static constexpr int n = bytes / static_cast<int>(sizeof(T));
  T v[n];
};

template <class T, class Vector>
Lanes<T, sizeof(Vector)> lanes(const Vector& a) {
  Lanes<T, sizeof(Vector)> r;
  std::memcpy(&r, &a, sizeof r);
  return r;
}

template <class Vector, class T, int bytes>
Vector vector(const Lanes<T, bytes>& a) {
  static_assert(bytes == sizeof(Vector));
  Vector r;
  std::memcpy(&r, &a, sizeof r);
  return r;
}

// A vector of what `lane` gives.
template <class T, class Vector, class Function>
Vector each(Function lane) {
  Lanes<T, sizeof(Vector)> r;
  for (int i = 0; i < r.n; ++i) r.v[i] = static_cast<T>(lane(i));
  return vector<Vector>(r);
}

// lane(a[i], b[i])
template <class T, class Vector, class Function>
Vector pairs(const Vector& a, const Vector& b, Function lane) {
  auto x = lanes<T>(a), y = lanes<T>(b);
  return each<T, Vector>([&](int i) { return lane(x.v[i], y.v[i]); });
}

// Lanes of one type become lanes of another, as C++ converts them.
template <class From, class To, class Result, class Vector>
Result convert(const Vector& a) {
  auto x = lanes<From>(a);
  return each<To, Result>([&](int i) { return x.v[i]; });
}

template <class Vector>
Vector load(const void* p) {
  Vector r;
  std::memcpy(&r, p, sizeof r);
  return r;
}

inline int32_t rounded(float x) {
  return x >= -0x1p31f && x < 0x1p31f ? static_cast<int32_t>(std::rint(x)) : INT32_MIN;
}

}  // namespace emulated

// ---- floats
// -------------------------------------------------------------------------------------------------------------

inline __m512 _mm512_set1_ps(float x) {
  return emulated::each<float, __m512>([=](int) { return x; });
}
inline __m512 _mm512_loadu_ps(const void* p) { return emulated::load<__m512>(p); }
inline void _mm512_storeu_ps(void* p, __m512 a) { std::memcpy(p, &a, sizeof a); }
inline __m512 _mm512_maskz_loadu_ps(__mmask16 m, const float* p) {
  return emulated::each<float, __m512>([=](int i) { return m >> i & 1 ? p[i] : 0.0f; });
}
inline void _mm512_mask_storeu_ps(float* p, __mmask16 m, __m512 a) {
  for (int i = 0; i < 16; ++i)
    if (m >> i & 1) p[i] = a[i];
}
inline __m512 _mm512_add_ps(__m512 a, __m512 b) { return a + b; }
inline __m512 _mm512_sub_ps(__m512 a, __m512 b) { return a - b; }
inline __m512 _mm512_mul_ps(__m512 a, __m512 b) { return a * b; }
inline __m512 _mm512_div_ps(__m512 a, __m512 b) { return a / b; }
inline __m512 _mm512_fmadd_ps(__m512 a, __m512 b, __m512 c) {
  return emulated::each<float, __m512>([&](int i) { return std::fma(a[i], b[i], c[i]); });
}
inline __m512 _mm512_max_ps(__m512 a, __m512 b) {
  return emulated::pairs<float>(a, b, [](float x, float y) { return x > y ? x : y; });
}
inline __m512 _mm512_min_ps(__m512 a, __m512 b) {
  return emulated::pairs<float>(a, b, [](float x, float y) { return x < y ? x : y; });
}
inline __m512 _mm512_sqrt_ps(__m512 a) {
  return emulated::each<float, __m512>([&](int i) { return std::sqrt(a[i]); });
}
inline __m512 _mm512_roundscale_ps(__m512 a, int) {  // to integers
  return emulated::each<float, __m512>([&](int i) { return std::nearbyint(a[i]); });
}
inline __m512 _mm512_scalef_ps(__m512 a, __m512 b) {
  auto lane = [&](int i) { return std::isnan(b[i]) ? b[i] : std::scalbn(a[i], static_cast<int>(std::floor(b[i]))); };
  return emulated::each<float, __m512>(lane);
}
inline __mmask16 _mm512_cmp_ps_mask(__m512 a, __m512 b, int kind) {
  unsigned m = 0;
  for (int i = 0; i < 16; ++i) m |= (kind == _CMP_LT_OQ ? a[i] < b[i] : a[i] != a[i] || b[i] != b[i]) ? 1u << i : 0;
  return static_cast<__mmask16>(m);
}
inline __m512 _mm512_mask_blend_ps(__mmask16 m, __m512 a, __m512 b) {
  return emulated::each<float, __m512>([&](int i) { return m >> i & 1 ? b[i] : a[i]; });
}
inline float _mm512_reduce_add_ps(__m512 a) {  // by halves, as the compilers' sequences do
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) a[i] += a[i + half];
  return a[0];
}
inline float _mm512_reduce_max_ps(__m512 a) {
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) a[i] = a[i] > a[i + half] ? a[i] : a[i + half];
  return a[0];
}
inline __m512 _mm512_cvtph_ps(__m256i a) { return emulated::convert<_Float16, float, __m512>(a); }
inline __m256i _mm512_cvtps_ph(__m512 a, int) { return emulated::convert<float, _Float16, __m256i>(a); }
inline __m512 _mm512_cvtepi32_ps(__m512i a) { return emulated::convert<int32_t, float, __m512>(a); }
inline __m512i _mm512_cvtps_epi32(__m512 a) {
  return emulated::each<int32_t, __m512i>([&](int i) { return emulated::rounded(a[i]); });
}
inline __m512i _mm512_castps_si512(__m512 a) { return emulated::load<__m512i>(&a); }
inline __m512 _mm512_castsi512_ps(__m512i a) { return emulated::load<__m512>(&a); }

// ---- integers
// -----------------------------------------------------------------------------------------------------------

inline __m512i _mm512_setzero_si512() { return __m512i{}; }
inline __m512i _mm512_set1_epi8(char x) {
  return emulated::each<char, __m512i>([=](int) { return x; });
}
inline __m512i _mm512_set1_epi32(int x) {
  return emulated::each<int32_t, __m512i>([=](int) { return x; });
}
inline __m256i _mm256_set1_epi16(short x) {
  return emulated::each<int16_t, __m256i>([=](int) { return x; });
}
inline __m512i _mm512_loadu_si512(const void* p) { return emulated::load<__m512i>(p); }
inline __m256i _mm256_loadu_si256(const void* p) { return emulated::load<__m256i>(p); }
inline __m128i _mm_loadu_si128(const void* p) { return emulated::load<__m128i>(p); }
inline void _mm512_storeu_si512(void* p, __m512i a) { std::memcpy(p, &a, sizeof a); }
inline void _mm256_storeu_si256(void* p, __m256i a) { std::memcpy(p, &a, sizeof a); }
inline void _mm_storeu_si128(void* p, __m128i a) { std::memcpy(p, &a, sizeof a); }
inline __m512i _mm512_and_si512(__m512i a, __m512i b) { return a & b; }
inline __m512i _mm512_or_si512(__m512i a, __m512i b) { return a | b; }
inline __m512i _mm512_add_epi32(__m512i a, __m512i b) {
  return emulated::pairs<uint32_t>(a, b, [](uint32_t x, uint32_t y) { return x + y; });
}
inline __m512i _mm512_sub_epi32(__m512i a, __m512i b) {
  return emulated::pairs<uint32_t>(a, b, [](uint32_t x, uint32_t y) { return x - y; });
}
inline __m512i _mm512_add_epi16(__m512i a, __m512i b) {
  return emulated::pairs<uint16_t>(a, b, [](uint16_t x, uint16_t y) { return x + y; });
}
inline __m512i _mm512_mullo_epi16(__m512i a, __m512i b) {
  return emulated::pairs<uint16_t>(a, b, [](uint32_t x, uint32_t y) { return x * y; });
}
template <class T, class Function>
__m512i emulated_shift(__m512i a, Function shift) {
  auto x = emulated::lanes<T>(a);
  return emulated::each<T, __m512i>([&](int i) { return shift(x.v[i]); });
}
inline __m512i _mm512_slli_epi16(__m512i a, int n) {
  return emulated_shift<uint16_t>(a, [=](uint16_t x) { return x << n; });
}
inline __m512i _mm512_slli_epi32(__m512i a, int n) {
  return emulated_shift<uint32_t>(a, [=](uint32_t x) { return x << n; });
}
inline __m512i _mm512_slli_epi64(__m512i a, int n) {
  return emulated_shift<uint64_t>(a, [=](uint64_t x) { return x << n; });
}
inline __m512i _mm512_srli_epi16(__m512i a, int n) {
  return emulated_shift<uint16_t>(a, [=](uint16_t x) { return x >> n; });
}
inline __m512i _mm512_srli_epi32(__m512i a, int n) {
  return emulated_shift<uint32_t>(a, [=](uint32_t x) { return x >> n; });
}
inline __m512i _mm512_max_epu8(__m512i a, __m512i b) {
  return emulated::pairs<uint8_t>(a, b, [](uint8_t x, uint8_t y) { return x > y ? x : y; });
}
inline __m512i _mm512_srai_epi16(__m512i a, int n) {
  return emulated_shift<int16_t>(a, [=](int16_t x) { return x >> n; });
}
inline __m512i _mm512_srai_epi32(__m512i a, int n) {
  return emulated_shift<int32_t>(a, [=](int32_t x) { return x >> n; });
}
inline __mmask16 _mm512_cmpeq_epi32_mask(__m512i a, __m512i b) {
  auto x = emulated::lanes<int32_t>(a), y = emulated::lanes<int32_t>(b);
  unsigned m = 0;
  for (int i = 0; i < 16; ++i) m |= x.v[i] == y.v[i] ? 1u << i : 0;
  return static_cast<__mmask16>(m);
}
inline int _mm512_reduce_add_epi32(__m512i a) {
  auto x = emulated::lanes<uint32_t>(a);
  uint32_t sum = 0;
  for (uint32_t lane : x.v) sum += lane;
  return static_cast<int>(sum);
}

// ---- widths
// -------------------------------------------------------------------------------------------------------------

inline __m512i _mm512_cvtepi8_epi32(__m128i a) { return emulated::convert<int8_t, int32_t, __m512i>(a); }
inline __m512i _mm512_cvtepu8_epi32(__m128i a) { return emulated::convert<uint8_t, int32_t, __m512i>(a); }
inline __m512i _mm512_cvtepu8_epi16(__m256i a) { return emulated::convert<uint8_t, int16_t, __m512i>(a); }
inline __m512i _mm512_cvtepu16_epi32(__m256i a) { return emulated::convert<uint16_t, int32_t, __m512i>(a); }
inline __m512i _mm512_cvtepu32_epi64(__m256i a) { return emulated::convert<uint32_t, int64_t, __m512i>(a); }
inline __m256i _mm512_cvtepi16_epi8(__m512i a) { return emulated::convert<int16_t, int8_t, __m256i>(a); }
inline __m128i _mm512_cvtepi32_epi8(__m512i a) { return emulated::convert<int32_t, int8_t, __m128i>(a); }
inline __m128i _mm512_cvtsepi32_epi8(__m512i a) {  // saturates
  auto x = emulated::lanes<int32_t>(a);
  return emulated::each<int8_t, __m128i>([&](int i) { return x.v[i] < -128 ? -128 : x.v[i] > 127 ? 127 : x.v[i]; });
}
inline __m256i _mm512_castsi512_si256(__m512i a) { return emulated::load<__m256i>(&a); }
inline __m512i _mm512_castsi256_si512(__m256i a) {
  __m512i r{};
  std::memcpy(&r, &a, sizeof a);
  return r;
}
inline __m256i _mm512_extracti64x4_epi64(__m512i a, int half) {
  return emulated::load<__m256i>(reinterpret_cast<const char*>(&a) + 32 * half);
}
inline __m512i _mm512_inserti64x4(__m512i a, __m256i b, int half) {
  std::memcpy(reinterpret_cast<char*>(&a) + 32 * half, &b, sizeof b);
  return a;
}
inline __m512i _mm512_broadcast_i32x4(__m128i a) {
  auto x = emulated::lanes<int32_t>(a);
  return emulated::each<int32_t, __m512i>([&](int i) { return x.v[i % 4]; });
}
inline __m512i _mm512_shuffle_epi8(__m512i a, __m512i places) {  // inside each 16 bytes
  auto x = emulated::lanes<uint8_t>(a), at = emulated::lanes<uint8_t>(places);
  return emulated::each<uint8_t, __m512i>([&](int i) { return at.v[i] & 0x80 ? 0 : x.v[i / 16 * 16 + at.v[i] % 16]; });
}
inline __m512i _mm512_set_epi32(int p, int o, int n, int m, int l, int k, int j, int i, int h, int g, int f, int e,
                                int d, int c, int b, int a) {
  const int lanes[] = {a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p};
  return emulated::load<__m512i>(lanes);
}
inline __m512i _mm512_permutexvar_epi16(__m512i places, __m512i a) {
  auto x = emulated::lanes<uint16_t>(a), at = emulated::lanes<uint16_t>(places);
  return emulated::each<uint16_t, __m512i>([&](int i) { return x.v[at.v[i] % 32]; });
}
inline uint16_t emulated_bf16(float x) {  // to nearest, halves to even; NaN stays NaN
  uint32_t raw;
  std::memcpy(&raw, &x, 4);
  if (std::isnan(x)) return static_cast<uint16_t>(raw >> 16 | 0x40);
  return static_cast<uint16_t>((raw + 0x7FFF + (raw >> 16 & 1)) >> 16);
}
inline __m512bh _mm512_cvtne2ps_pbh(__m512 upper, __m512 lower) {
  return emulated::each<uint16_t, __m512bh>([&](int i) { return emulated_bf16(i < 16 ? lower[i] : upper[i - 16]); });
}
inline __m512 _mm512_dpbf16_ps(__m512 sum, __m512bh a, __m512bh b) {
  auto x = emulated::lanes<uint16_t>(a), y = emulated::lanes<uint16_t>(b);
  auto value = [](uint16_t half) {
    const uint32_t raw = static_cast<uint32_t>(half) << 16;
    float f;
    std::memcpy(&f, &raw, 4);
    return f;
  };
  return emulated::each<float, __m512>([&](int i) {
    return sum[i] + value(x.v[2 * i + 1]) * value(y.v[2 * i + 1]) + value(x.v[2 * i]) * value(y.v[2 * i]);
  });
}
inline __m512i _mm512_dpbusd_epi32(__m512i sum, __m512i bytes, __m512i signed_bytes) {
  auto s = emulated::lanes<uint32_t>(sum);
  auto u = emulated::lanes<uint8_t>(bytes);
  auto w = emulated::lanes<int8_t>(signed_bytes);
  return emulated::each<uint32_t, __m512i>([&](int i) {
    uint32_t total = s.v[i];
    for (int j = 4 * i; j < 4 * i + 4; ++j) total += static_cast<uint32_t>(u.v[j] * w.v[j]);
    return total;
  });
}
