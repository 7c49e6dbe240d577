// dot-inl.h for AVX2, and for AVX2 with AVX-VNNI.
#pragma once

namespace galago::cpu::GALAGO_ISA {
namespace {

constexpr int kUnitRows = 8, kTileUnits = 2;
constexpr int kInt8Rows = 4;  // eight integer sums, beside two vectors of codes and what is multiplied
struct IU {
  __m256i v;
};
struct BytesU {
  __m256i v;
};

GALAGO_INLINE int32_t to_int8(const V16& x, int8_t* p) {
  __m256i a = _mm256_cvtps_epi32(x.v[0].v), b = _mm256_cvtps_epi32(x.v[1].v);
  __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xD8);
  __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128((__m128i*)p, bytes);
  __m256i s = _mm256_add_epi32(a, b);
  __m128i t = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
  t = _mm_add_epi32(t, _mm_shuffle_epi32(t, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(t, _mm_shuffle_epi32(t, 0xB1)));
}
GALAGO_INLINE Vec<kUnitRows> to_float(const IU& x) { return {{{_mm256_cvtepi32_ps(x.v)}}}; }
GALAGO_INLINE IU iu_set(int32_t x) { return {_mm256_set1_epi32(x)}; }
GALAGO_INLINE IU operator-(const IU& a, const IU& b) { return {_mm256_sub_epi32(a.v, b.v)}; }
template <int n>
GALAGO_INLINE IU iu_shift_left(const IU& a) {
  return {_mm256_slli_epi32(a.v, n)};
}
GALAGO_INLINE BytesU bytes_load(const uint8_t* p) { return {_mm256_loadu_si256((const __m256i*)p)}; }
GALAGO_INLINE void bytes_store(uint8_t* p, const BytesU& a) { _mm256_storeu_si256((__m256i*)p, a.v); }
GALAGO_INLINE BytesU operator|(const BytesU& a, const BytesU& b) { return {_mm256_or_si256(a.v, b.v)}; }
GALAGO_INLINE BytesU operator&(const BytesU& a, const BytesU& b) { return {_mm256_and_si256(a.v, b.v)}; }
GALAGO_INLINE BytesU bytes_set(int x) { return {_mm256_set1_epi8(static_cast<char>(x))}; }
template <int n>
GALAGO_INLINE BytesU words_shift_right(const BytesU& a) {
  return {_mm256_srli_epi16(a.v, n)};
}
template <int n>
GALAGO_INLINE BytesU words_shift_left(const BytesU& a) {
  return {_mm256_slli_epi16(a.v, n)};
}
GALAGO_INLINE BytesU look_up(const uint8_t* table, const BytesU& codes) {
  return {_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)table)), codes.v)};
}

#if defined(__AVXVNNI__)

GALAGO_INLINE BytesU dot_ready(const BytesU& codes) { return codes; }
constexpr bool kSignedBytes = false;

GALAGO_INLINE IU add_products(const IU& sum, const BytesU& codes, const BytesU& q) {
  return {_mm256_dpbusd_avx_epi32(sum.v, codes.v, q.v)};
}

template <Codes kCodes, int kFrom = 0, int kTo = 8>
GALAGO_INLINE IU dot_block(const BytesU* codes, const int8_t* q) {
  const QuadBytes* quads = reinterpret_cast<const QuadBytes*>(q);
  __m256i sum = _mm256_setzero_si256();
  GALAGO_UNROLL for (int j = kFrom; j < kTo; ++j) sum =
      _mm256_dpbusd_avx_epi32(sum, codes[j].v, _mm256_set1_epi32(quads[j]));
  return {sum};
}

// A vector of codes of each unit meets a broadcast of each row: six loads for eight products.
#define GALAGO_DOT_UNITS 1
template <Codes kCodes, int kFrom, int kTo, int kRows, int kHalves>
GALAGO_INLINE void dot_units(const uint8_t* codes, int64_t unit_stride, const int8_t* q, int half,
                             IU (&dots)[kTileUnits][kRows][kHalves]) {
  GALAGO_UNROLL for (int r = 0; r < kRows; ++r) dots[0][r][half] = dots[1][r][half] = iu_set(0);
  GALAGO_UNROLL for (int j = kFrom; j < kTo; ++j) {
    const BytesU w0 = bytes_load(codes + 4 * kUnitRows * j), w1 = bytes_load(codes + unit_stride + 4 * kUnitRows * j);
    GALAGO_UNROLL for (int r = 0; r < kRows; ++r) {
      const IU four = iu_set(reinterpret_cast<const QuadBytes*>(q + r * kBlockValues)[j]);
      dots[0][r][half].v = _mm256_dpbusd_avx_epi32(dots[0][r][half].v, w0.v, four.v);
      dots[1][r][half].v = _mm256_dpbusd_avx_epi32(dots[1][r][half].v, w1.v, four.v);
    }
  }
}

#else

GALAGO_INLINE IU add_products(const IU& sum, const BytesU& codes, const BytesU& q) {
  return {_mm256_add_epi16(sum.v, _mm256_maddubs_epi16(codes.v, q.v))};
}

// int16 sums of two products. Unsigned codes of 8 bits would overflow, so they come as signed weights (dot_ready) and are
// multiplied as |w| * (q with the sign of w): at most 2 * 128 * 127.
template <Codes kCodes>
GALAGO_INLINE __m256i pair_products(__m256i codes, __m256i q) {
  if constexpr (kCodes == Codes::Byte) return _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(q, codes));
  return _mm256_maddubs_epi16(codes, q);
}

// As many pairs may be added up in int16 as keep 2 * code * 127 * their number below 32768: eight for nibbles (30480), four for
// five bits (31496), two for six bits (32004).
template <Codes kCodes, int kMost>
constexpr int kAtOnce = kCodes == Codes::Nibble ? kMost : kCodes == Codes::Bits5 ? 4 : kCodes == Codes::Bits6 ? 2 : 1;

template <Codes kCodes, int kFrom, int kTo, int kStep>
GALAGO_INLINE __m256i dot_words(const BytesU* codes, const QuadBytes* quads) {
  static_assert((kTo - kFrom) % kStep == 0);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sum = _mm256_setzero_si256();
  GALAGO_UNROLL for (int j = kFrom; j < kTo; j += kStep) {
    __m256i words = pair_products<kCodes>(codes[j].v, _mm256_set1_epi32(quads[j]));
    GALAGO_UNROLL for (int i = 1; i < kStep; ++i) words =
        _mm256_add_epi16(words, pair_products<kCodes>(codes[j + i].v, _mm256_set1_epi32(quads[j + i])));
    __m256i wide = _mm256_madd_epi16(words, ones);
    sum = j == kFrom ? wide : _mm256_add_epi32(sum, wide);
  }
  return sum;
}

GALAGO_INLINE BytesU dot_ready(const BytesU& codes) { return {_mm256_xor_si256(codes.v, _mm256_set1_epi8(-128))}; }
constexpr bool kSignedBytes = true;

template <Codes kCodes, int kFrom = 0, int kTo = 8>
GALAGO_INLINE IU dot_block(const BytesU* codes, const int8_t* q) {
  const QuadBytes* quads = reinterpret_cast<const QuadBytes*>(q);
  return {dot_words<kCodes, kFrom, kTo, kAtOnce<kCodes, kTo - kFrom>>(codes, quads)};
}

GALAGO_INLINE __m256i quad(const int8_t* q, int row, int j) {
  return _mm256_set1_epi32(reinterpret_cast<const QuadBytes*>(q + row * kBlockValues)[j]);
}

// A vector of codes of each unit meets a broadcast of each row: six loads for eight products, where dot_block needs one for
// each. Sums of kStep vectors in int16, then widened. keep(): else GCC adds in another order, for which there are not enough
// registers.
#define GALAGO_DOT_UNITS 1
template <Codes kCodes, int kFrom, int kTo, int kRows, int kHalves>
GALAGO_INLINE void dot_units(const uint8_t* codes, int64_t unit_stride, const int8_t* q, int half,
                             IU (&dots)[kTileUnits][kRows][kHalves]) {
  constexpr int kStep = kAtOnce<kCodes, kTo - kFrom>;
  auto products = [=](int u, int r, int j) GALAGO_LAMBDA_INLINE {
    return pair_products<kCodes>(bytes_load(codes + u * unit_stride + 4 * kUnitRows * j).v, quad(q, r, j));
  };
  auto widen = [&](int u, int r, __m256i words, bool is_first) GALAGO_LAMBDA_INLINE {
    const __m256i wide = _mm256_madd_epi16(words, _mm256_set1_epi16(1));
    __m256i& dot = dots[u][r][half].v;
    dot = is_first ? wide : _mm256_add_epi32(dot, wide);
    keep(dot);
  };
  GALAGO_UNROLL for (int first = kFrom; first < kTo; first += kStep) {
    if constexpr (kStep <= 2) {  // the words of one product at a time
      GALAGO_UNROLL for (int r = 0; r < kRows; ++r)
          GALAGO_UNROLL for (int u = 0; u < kTileUnits; ++u) {
        __m256i words = products(u, r, first);
        if constexpr (kStep == 2) words = _mm256_add_epi16(words, products(u, r, first + 1));
        widen(u, r, words, first == kFrom);
      }
    } else {  // all words stay in registers
      __m256i words[kTileUnits][kRows];
      GALAGO_UNROLL for (int j = first; j < first + kStep; ++j)
          GALAGO_UNROLL for (int r = 0; r < kRows; ++r)
              GALAGO_UNROLL for (int u = 0; u < kTileUnits; ++u) {
        words[u][r] = j == first ? products(u, r, j) : _mm256_add_epi16(words[u][r], products(u, r, j));
        keep(words[u][r]);
      }
      GALAGO_UNROLL for (int r = 0; r < kRows; ++r)
          GALAGO_UNROLL for (int u = 0; u < kTileUnits; ++u) widen(u, r, words[u][r], first == kFrom);
    }
  }
}

#endif

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
