// What products are made of: V16, sixteen floats, one for each row of a panel; I16, sixteen int32 sums; and the dot
// product of 32 unsigned codes a row with 32 signed activations. Layout of panels: calls.h.
#pragma once

namespace galago::cpu::GALAGO_ISA {
namespace {

#define GALAGO_UNROLL _Pragma("GCC unroll 24")
#define GALAGO_LAMBDA_INLINE __attribute__((always_inline))

constexpr int kParts = kPanelRows / kLanes;

struct V16 {
  F32 v[kParts];
};

template <class Function>
GALAGO_INLINE V16 v16_each(Function part) {
  V16 r;
  GALAGO_UNROLL for (int i = 0; i < kParts; ++i) r.v[i] = part(i);
  return r;
}

GALAGO_INLINE V16 v16_set(float x) {
  return v16_each([=](int) GALAGO_LAMBDA_INLINE { return set(x); });
}
GALAGO_INLINE V16 v16_load(const float* p) {
  return v16_each([=](int i) GALAGO_LAMBDA_INLINE { return load(p + i * kLanes); });
}
GALAGO_INLINE V16 v16_load_f16(const uint16_t* p) {
  return v16_each([=](int i) GALAGO_LAMBDA_INLINE { return load_f16(p + i * kLanes); });
}
GALAGO_INLINE V16 v16_load_bf16(const uint16_t* p) {
  return v16_each([=](int i) GALAGO_LAMBDA_INLINE { return load_bf16(p + i * kLanes); });
}
GALAGO_INLINE V16 v16_fma(const V16& a, const V16& b, const V16& c) {
  return v16_each([&](int i) GALAGO_LAMBDA_INLINE { return fma(a.v[i], b.v[i], c.v[i]); });
}
GALAGO_INLINE V16 v16_mul(const V16& a, const V16& b) {
  return v16_each([&](int i) GALAGO_LAMBDA_INLINE { return a.v[i] * b.v[i]; });
}
GALAGO_INLINE V16 v16_add(const V16& a, const V16& b) {
  return v16_each([&](int i) GALAGO_LAMBDA_INLINE { return a.v[i] + b.v[i]; });
}
GALAGO_INLINE V16 v16_max(const V16& a, const V16& b) {
  return v16_each([&](int i) GALAGO_LAMBDA_INLINE { return max(a.v[i], b.v[i]); });
}
GALAGO_INLINE V16 v16_abs(const V16& a) {
  return v16_each([&](int i) GALAGO_LAMBDA_INLINE { return abs(a.v[i]); });
}
GALAGO_INLINE float v16_reduce_add(const V16& a) {
  F32 sum = a.v[0];
  GALAGO_UNROLL for (int i = 1; i < kParts; ++i) sum = sum + a.v[i];
  return reduce_add(sum);
}
GALAGO_INLINE float v16_reduce_max(const V16& a) {
  F32 largest = a.v[0];
  GALAGO_UNROLL for (int i = 1; i < kParts; ++i) largest = max(largest, a.v[i]);
  return reduce_max(largest);
}
GALAGO_INLINE void v16_store(float* p, const V16& a) {
  GALAGO_UNROLL for (int i = 0; i < kParts; ++i) store(p + i * kLanes, a.v[i]);
}

// The first n of sixteen; the others read as 0 and are not written.
GALAGO_INLINE int lanes_of_part(int64_t n, int part) {
  const int64_t left = n - part * kLanes;
  return static_cast<int>(left <= 0 ? 0 : left >= kLanes ? kLanes : left);
}
GALAGO_INLINE V16 v16_load_n(const float* p, int64_t n) {
  if (n == kPanelRows) return v16_load(p);
  return v16_each([=](int i) GALAGO_LAMBDA_INLINE {
    const int lanes = lanes_of_part(n, i);
    return lanes == kLanes ? load(p + i * kLanes) : load_part(p + i * kLanes, lanes);
  });
}
GALAGO_INLINE void v16_store_n(float* p, const V16& a, int64_t n) {
  if (n == kPanelRows) return v16_store(p, a);
  GALAGO_UNROLL for (int i = 0; i < kParts; ++i) {
    const int lanes = lanes_of_part(n, i);
    lanes == kLanes ? store(p + i * kLanes, a.v[i]) : store_part(p + i * kLanes, a.v[i], lanes);
  }
}

typedef int32_t QuadBytes __attribute__((may_alias, aligned(4)));  // four int8 activations

// What the codes of a panel can be; decides how AVX2 may add their products without overflowing int16.
enum class Codes { Nibble, Bits6, Byte };

#if defined(GALAGO_ISA_AVX512)

struct I16 {
  __m512i v;
};
struct Bytes64 {
  __m512i v;
};
constexpr int kByteOffset = 128;  // what dot_block adds to signed weights stored as Codes::Byte

GALAGO_INLINE V16 v16_load_u8(const uint8_t* p) {
  return {{{_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p)))}}};
}
// Rounds to the nearest integer, ties to even; writes int8 and returns the sum.
GALAGO_INLINE int32_t v16_to_int8(const V16& a, int8_t* p) {
  __m512i wide = _mm512_cvtps_epi32(a.v[0].v);
  _mm_storeu_si128((__m128i*)p, _mm512_cvtsepi32_epi8(wide));
  return _mm512_reduce_add_epi32(wide);
}
GALAGO_INLINE V16 i16_to_float(const I16& a) { return {{{_mm512_cvtepi32_ps(a.v)}}}; }
GALAGO_INLINE Bytes64 bytes_load(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
GALAGO_INLINE Bytes64 low_nibbles(const Bytes64& a) { return {_mm512_and_si512(a.v, _mm512_set1_epi8(15))}; }
GALAGO_INLINE Bytes64 high_nibbles(const Bytes64& a) {
  return {_mm512_and_si512(_mm512_srli_epi16(a.v, 4), _mm512_set1_epi8(15))};
}
// table[code], codes below 16.
GALAGO_INLINE Bytes64 look_up(const uint8_t* table, const Bytes64& codes) {
  return {_mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)table)), codes.v)};
}

// Plain assembly because GCC 12 turns _mm512_dpbusd_epi32 on many live sums into register copies and spills.
GALAGO_INLINE __m512i dpbusd(__m512i sum, __m512i codes, const QuadBytes& four) {
  asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(codes), "m"(four));
  return sum;
}

// start + the dot products of vectors kFrom .. kTo-1 of a block with the quads of q.
template <Codes kCodes, int kFrom = 0, int kTo = 8>
GALAGO_INLINE I16 dot_block(int32_t start, const Bytes64* codes, const int8_t* q) {
  const QuadBytes* quads = reinterpret_cast<const QuadBytes*>(q);
  __m512i sum = _mm512_set1_epi32(start);
  GALAGO_UNROLL for (int j = kFrom; j < kTo; ++j) sum = dpbusd(sum, codes[j].v, quads[j]);
  return {sum};
}

#elif defined(GALAGO_ISA_AVX2)

struct I16 {
  __m256i a, b;
};
struct Bytes64 {
  __m256i a, b;
};
constexpr int kByteOffset = 0;

GALAGO_INLINE V16 v16_load_u8(const uint8_t* p) {
  __m128i bytes = _mm_loadu_si128((const __m128i*)p);
  return {{{_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes))},
           {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8)))}}};
}
GALAGO_INLINE int32_t v16_to_int8(const V16& x, int8_t* p) {
  __m256i a = _mm256_cvtps_epi32(x.v[0].v), b = _mm256_cvtps_epi32(x.v[1].v);
  __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xD8);
  __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128((__m128i*)p, bytes);
  __m256i s = _mm256_add_epi32(a, b);
  __m128i t = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
  t = _mm_add_epi32(t, _mm_shuffle_epi32(t, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(t, _mm_shuffle_epi32(t, 0xB1)));
}
GALAGO_INLINE V16 i16_to_float(const I16& x) { return {{{_mm256_cvtepi32_ps(x.a)}, {_mm256_cvtepi32_ps(x.b)}}}; }
GALAGO_INLINE Bytes64 bytes_load(const uint8_t* p) {
  return {_mm256_loadu_si256((const __m256i*)p), _mm256_loadu_si256((const __m256i*)(p + 32))};
}
GALAGO_INLINE Bytes64 low_nibbles(const Bytes64& x) {
  __m256i mask = _mm256_set1_epi8(15);
  return {_mm256_and_si256(x.a, mask), _mm256_and_si256(x.b, mask)};
}
GALAGO_INLINE Bytes64 high_nibbles(const Bytes64& x) {
  return low_nibbles({_mm256_srli_epi16(x.a, 4), _mm256_srli_epi16(x.b, 4)});
}
GALAGO_INLINE Bytes64 look_up(const uint8_t* table, const Bytes64& codes) {
  __m256i twice = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)table));
  return {_mm256_shuffle_epi8(twice, codes.a), _mm256_shuffle_epi8(twice, codes.b)};
}

// int16 sums of two products. Codes of 8 bits would overflow them, so they become signed weights again, multiplied as
// |w| * (q with the sign of w): at most 2 * 128 * 127.
template <Codes kCodes>
GALAGO_INLINE __m256i dot_pairs(__m256i codes, __m256i q) {
  if constexpr (kCodes == Codes::Byte) {
    __m256i w = _mm256_xor_si256(codes, _mm256_set1_epi8(-128));
    return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(q, w));
  }
  return _mm256_maddubs_epi16(codes, q);
}

template <Codes kCodes, int kFrom = 0, int kTo = 8>
GALAGO_INLINE I16 dot_block(int32_t start, const Bytes64* codes, const int8_t* q) {
  const QuadBytes* quads = reinterpret_cast<const QuadBytes*>(q);
  const __m256i ones = _mm256_set1_epi16(1), first = _mm256_set1_epi32(start);
  if constexpr (kCodes == Codes::Nibble) {  // 8 * 2 * 15 * 127 = 30480 fits int16: one widening a block
    __m256i a = _mm256_setzero_si256(), b = a;
    GALAGO_UNROLL for (int j = kFrom; j < kTo; ++j) {
      __m256i four = _mm256_set1_epi32(quads[j]);
      a = _mm256_add_epi16(a, dot_pairs<kCodes>(codes[j].a, four));
      b = _mm256_add_epi16(b, dot_pairs<kCodes>(codes[j].b, four));
    }
    return {_mm256_add_epi32(first, _mm256_madd_epi16(a, ones)), _mm256_add_epi32(first, _mm256_madd_epi16(b, ones))};
  } else {
    I16 sum{first, first};
    GALAGO_UNROLL for (int j = kFrom; j < kTo; ++j) {
      __m256i four = _mm256_set1_epi32(quads[j]);
      sum.a = _mm256_add_epi32(sum.a, _mm256_madd_epi16(dot_pairs<kCodes>(codes[j].a, four), ones));
      sum.b = _mm256_add_epi32(sum.b, _mm256_madd_epi16(dot_pairs<kCodes>(codes[j].b, four), ones));
    }
    return sum;
  }
}

#else  // plain loops; the NEON compiler may use its dot products

struct I16 {
  int32_t v[16];
};
struct Bytes64 {
  uint8_t v[64];
};
constexpr int kByteOffset = 128;

GALAGO_INLINE V16 v16_load_u8(const uint8_t* p) {
  float f[16];
  for (int i = 0; i < 16; ++i) f[i] = p[i];
  return v16_load(f);
}
GALAGO_INLINE int32_t v16_to_int8(const V16& a, int8_t* p) {
  float f[16];
  v16_store(f, a);
  int32_t sum = 0;
  for (int i = 0; i < 16; ++i) {
    // Adding 1.5 * 2^23 rounds to an integer, ties to even; NaN becomes 0, its scale carries it.
    int32_t q = f[i] >= -128 && f[i] <= 128 ? static_cast<int32_t>((f[i] + 12582912.0f) - 12582912.0f) : 0;
    p[i] = static_cast<int8_t>(q);
    sum += q;
  }
  return sum;
}
GALAGO_INLINE V16 i16_to_float(const I16& a) {
  float f[16];
  for (int i = 0; i < 16; ++i) f[i] = static_cast<float>(a.v[i]);
  return v16_load(f);
}
GALAGO_INLINE Bytes64 bytes_load(const uint8_t* p) {
  Bytes64 r;
  __builtin_memcpy(&r, p, sizeof r);
  return r;
}
GALAGO_INLINE Bytes64 low_nibbles(Bytes64 a) {
  for (int i = 0; i < 64; ++i) a.v[i] &= 15;
  return a;
}
GALAGO_INLINE Bytes64 high_nibbles(Bytes64 a) {
  for (int i = 0; i < 64; ++i) a.v[i] = static_cast<uint8_t>(a.v[i] >> 4);
  return a;
}
GALAGO_INLINE Bytes64 look_up(const uint8_t* table, Bytes64 codes) {
  for (int i = 0; i < 64; ++i) codes.v[i] = table[codes.v[i]];
  return codes;
}

template <Codes kCodes, int kFrom = 0, int kTo = 8>
GALAGO_INLINE I16 dot_block(int32_t start, const Bytes64* codes, const int8_t* q) {
  I16 sum;
  for (int r = 0; r < 16; ++r) sum.v[r] = start;
  for (int j = kFrom; j < kTo; ++j)
    for (int r = 0; r < 16; ++r)
      for (int x = 0; x < 4; ++x) sum.v[r] += codes[j].v[4 * r + x] * q[4 * j + x];
  return sum;
}

#endif

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
