// dot-inl.h for AVX-512 with VNNI.
#pragma once

namespace galago::cpu::GALAGO_ISA {
namespace {

constexpr int kUnitRows = 16, kTileUnits = 1;
constexpr int kInt8Rows = 16;  // sums, beside eight vectors of codes: 24 of 32 registers
struct IU {
  __m512i v;
};
struct BytesU {
  __m512i v;
};

GALAGO_INLINE int32_t to_int8(const V16& a, int8_t* p) {
  __m512i wide = _mm512_cvtps_epi32(a.v[0].v);
  _mm_storeu_si128((__m128i*)p, _mm512_cvtsepi32_epi8(wide));
  return _mm512_reduce_add_epi32(wide);
}
GALAGO_INLINE Vec<kUnitRows> to_float(const IU& a) { return {{{_mm512_cvtepi32_ps(a.v)}}}; }
GALAGO_INLINE IU iu_set(int32_t x) { return {_mm512_set1_epi32(x)}; }
GALAGO_INLINE IU operator-(const IU& a, const IU& b) { return {_mm512_sub_epi32(a.v, b.v)}; }
template <int n>
GALAGO_INLINE IU iu_shift_left(const IU& a) {
  return {_mm512_slli_epi32(a.v, n)};
}
GALAGO_INLINE BytesU bytes_load(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
GALAGO_INLINE void bytes_store(uint8_t* p, const BytesU& a) { _mm512_storeu_si512(p, a.v); }
GALAGO_INLINE BytesU operator|(const BytesU& a, const BytesU& b) { return {_mm512_or_si512(a.v, b.v)}; }
GALAGO_INLINE BytesU operator&(const BytesU& a, const BytesU& b) { return {_mm512_and_si512(a.v, b.v)}; }
GALAGO_INLINE BytesU bytes_set(int x) { return {_mm512_set1_epi8(static_cast<char>(x))}; }
template <int n>
GALAGO_INLINE BytesU words_shift_right(const BytesU& a) {
  return {_mm512_srli_epi16(a.v, n)};
}
template <int n>
GALAGO_INLINE BytesU words_shift_left(const BytesU& a) {
  return {_mm512_slli_epi16(a.v, n)};
}
GALAGO_INLINE BytesU look_up(const uint8_t* table, const BytesU& codes) {
  return {_mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)table)), codes.v)};
}

// Four unsigned times four signed bytes a lane. Assembly because GCC 12 turns the intrinsics on many live sums into
// register copies and spills.
#if defined(GALAGO_EMULATED)
GALAGO_INLINE __m512i dot_quads(__m512i sum, __m512i bytes, __m512i signed_bytes) {
  return _mm512_dpbusd_epi32(sum, bytes, signed_bytes);
}
GALAGO_INLINE __m512i dpbusd(__m512i sum, __m512i codes, const QuadBytes& four) {
  return _mm512_dpbusd_epi32(sum, codes, _mm512_set1_epi32(four));
}
#else
GALAGO_INLINE __m512i dot_quads(__m512i sum, __m512i bytes, __m512i signed_bytes) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(bytes), "v"(signed_bytes));
  return sum;
}
GALAGO_INLINE __m512i dpbusd(__m512i sum, __m512i codes, const QuadBytes& four) {
  asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(codes), "m"(four));
  return sum;
}
#endif

GALAGO_INLINE BytesU dot_ready(const BytesU& codes) { return codes; }
constexpr bool kSignedBytes = false;

GALAGO_INLINE IU add_products(const IU& sum, const BytesU& codes, const BytesU& q) {
  return {dot_quads(sum.v, codes.v, q.v)};
}

template <Codes kCodes, int kFrom = 0, int kTo = 8>
GALAGO_INLINE IU dot_block(const BytesU* codes, const int8_t* q) {
  const QuadBytes* quads = reinterpret_cast<const QuadBytes*>(q);
  __m512i sum = _mm512_setzero_si512();
  GALAGO_UNROLL for (int j = kFrom; j < kTo; ++j) sum = dpbusd(sum, codes[j].v, quads[j]);
  return {sum};
}

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
