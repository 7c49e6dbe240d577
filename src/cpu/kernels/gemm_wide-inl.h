// Products of integer panels with many rows at the full rate of AVX-512 VNNI. The scales of blocks of 32 cost a third
// of that rate, so a group of four panels is requantized once for all rows of x: int8 weights with one scale for each
// row and span of 256 values of k, times unsigned activations u = round(x / s) + 128 with one scale s a span:
//   y[t, row] += s[t] S[row] (dot(u[t], w8[row]) - 128 sum(w8[row]))
// Rounding to w8 and the coarser s add about 0.4 % to the 0.8 % of error that int8 activations have; Mode::Exact does
// without (gemm_int8-inl.h). A tile is 6 rows of x times 64 rows of w: 24 sums, 4 vectors of weights and a broadcast.
#pragma once

namespace galago::cpu::GALAGO_ISA {
namespace {

#if defined(GALAGO_ISA_AVX512)

constexpr int kWideRows = 6;
constexpr int64_t kQuadBytes = 4 * kWideColumns;  // four values of k of all columns: four vectors

GALAGO_INLINE int64_t span_values(int64_t k, int64_t begin) { return k - begin < kWideSpan ? k - begin : kWideSpan; }

// What a group holds of a span: f32 scale[64]; i32 correction[64], -128 times the sum of the weights; then the quads.
constexpr int64_t kSpanHead = 8 * kWideColumns;
constexpr int64_t span_bytes(int64_t values) { return kSpanHead + values * kWideColumns; }

// ---- requantizing
// -------------------------------------------------------------------------------------------------------

// The largest code of every row, or what the format allows where that is not far above.
template <class F>
GALAGO_INLINE F32 top_code(const UnitBlock<F>& u, int half) {
  if constexpr (F::kCodes == Codes::Nibble) return set(15);
  if constexpr (F::kCodes == Codes::Bits5) return set(31);
  if constexpr (F::kCodes == Codes::Byte) return set(255);
  constexpr int kVectors = 8 / F::kHalves;
  __m512i top = u.codes[kVectors * half].v;
  for (int j = 1; j < kVectors; ++j) top = _mm512_max_epu8(top, u.codes[kVectors * half + j].v);
  top = _mm512_max_epu8(top, _mm512_srli_epi32(top, 16));
  top = _mm512_max_epu8(top, _mm512_srli_epi32(top, 8));
  return to_f32({_mm512_and_si512(top, _mm512_set1_epi32(255))});
}

// The weight of code 0 and of the largest code.
template <class F>
GALAGO_INLINE F32 lowest_weight(const UnitBlock<F>& u, int half) {
  F32 bias = F::kBias ? u.bias[half].v[0] : zero();
  return fma(u.scale[half].v[0], set(-static_cast<float>(F::kOffset)), bias);
}
template <class F>
GALAGO_INLINE F32 largest_magnitude(const UnitBlock<F>& u, int half) {
  const F32 low = lowest_weight(u, half);
  return max(abs(low), abs(fma(u.scale[half].v[0], top_code(u, half), low)));
}

// S of a panel's span: the largest weight that its scales allow becomes 127.
template <class F>
GALAGO_INLINE F32 span_scale(const uint8_t* panel, int64_t first, int64_t n_blocks) {
  F32 largest = zero();
  for (int64_t b = first; b < first + n_blocks; ++b) {
    UnitBlock<F> u;
    F::load(panel, b, 0, u);
    for (int half = 0; half < F::kHalves; ++half) largest = max(largest_magnitude(u, half), largest);
  }
  return largest * set(1.0f / 127);
}

// A number of every row as four 16-bit words a row: rows 0 to 7, and 8 to 15.
struct RowWords {
  __m512i low, high;
};
GALAGO_INLINE __m512i four_words(__m256i rows) {
  const __m512i words = _mm512_cvtepu32_epi64(rows);  // one word in 64 bits
  const __m512i two = _mm512_or_si512(words, _mm512_slli_epi64(words, 16));
  return _mm512_or_si512(two, _mm512_slli_epi64(two, 32));
}
GALAGO_INLINE RowWords row_words(F32 x) {
  const __m512i rounded = _mm512_and_si512(round_to_i32(x).v, _mm512_set1_epi32(0xFFFF));
  return {four_words(_mm512_castsi512_si256(rounded)), four_words(_mm512_extracti64x4_epi64(rounded, 1))};
}

// (code a + b) / 256, rounded: 16 bits may overflow on the way, the result fits.
GALAGO_INLINE __m256i scale_codes(__m256i codes, __m512i a, __m512i b) {
  const __m512i words = _mm512_add_epi16(_mm512_mullo_epi16(_mm512_cvtepu8_epi16(codes), a), b);
  return _mm512_cvtepi16_epi8(_mm512_srai_epi16(words, 8));
}
GALAGO_INLINE __m512i scale_codes(const BytesU& codes, const RowWords& a, const RowWords& b) {
  const __m256i low = scale_codes(_mm512_castsi512_si256(codes.v), a.low, b.low);
  const __m256i high = scale_codes(_mm512_extracti64x4_epi64(codes.v, 1), a.high, b.high);
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

// One panel of a group: its place in the quads begins at `out`.
template <class F>
void requantize_span(const uint8_t* panel, int64_t first, int64_t n_blocks, uint8_t* span, int place) {
  const F32 scale = span_scale<F>(panel, first, n_blocks);
  const F32 inverse = select(zero() < scale, set(256) / scale, zero());
  float* scales = reinterpret_cast<float*>(span) + place * kPanelRows;
  store(scales, scale);
  uint8_t* out = span + kSpanHead + 64 * place;
  __m512i sum = _mm512_setzero_si512();
  for (int64_t b = first; b < first + n_blocks; ++b) {
    UnitBlock<F> u;
    F::load(panel, b, 0, u);
    GALAGO_UNROLL for (int half = 0; half < F::kHalves; ++half) {
      const RowWords a = row_words(u.scale[half].v[0] * inverse);
      const RowWords shift = row_words(fma(lowest_weight(u, half), inverse, set(128)));
      for (int j = 8 / F::kHalves * half; j < 8 / F::kHalves * (half + 1); ++j, out += kQuadBytes) {
        const __m512i weights = scale_codes(u.codes[j], a, shift);
        _mm512_storeu_si512(out, weights);
        sum = _mm512_add_epi32(sum, dot_quads(_mm512_setzero_si512(), _mm512_set1_epi8(1), weights));
      }
    }
  }
  const __m512i correction = _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(sum, 7));
  _mm512_storeu_si512(span + 4 * kWideColumns + 64 * place, correction);
}

void clear_span(uint8_t* span, int64_t values, int place) {
  const __m512i nothing = _mm512_setzero_si512();
  _mm512_storeu_si512(span + 64 * place, nothing);
  _mm512_storeu_si512(span + 4 * kWideColumns + 64 * place, nothing);
  for (int64_t quad = 0; quad < values / 4; ++quad)
    _mm512_storeu_si512(span + kSpanHead + quad * kQuadBytes + 64 * place, nothing);
}

template <class F>
void requantize_group(const WideExpandCall& c) {
  uint8_t* span = c.expanded;
  for (int64_t begin = c.begin; begin < c.end; begin += kWideSpan) {
    const int64_t values = span_values(c.end, begin);
    for (int place = 0; place < kWideColumns / kPanelRows; ++place)
      if (place < c.n_panels)
        requantize_span<F>(c.panels + place * c.panel_bytes, begin / kBlockValues, values / kBlockValues, span, place);
      else
        clear_span(span, values, place);
    span += span_bytes(values);
  }
}

void k_expand_wide(const WideExpandCall& c) {
  with_format(c.kind, [&](auto format) GALAGO_LAMBDA_INLINE { requantize_group<decltype(format)>(c); });
}

// ---- activations
// --------------------------------------------------------------------------------------------------------

void k_quantize_wide(const WideQuantizeCall& c) {
  const int64_t n_spans = (c.k + kWideSpan - 1) / kWideSpan;
  for (int64_t row = 0; row < c.rows; ++row)
    for (int64_t span = 0; span < n_spans; ++span) {
      const float* x = c.x + row * c.x_stride + span * kWideSpan;
      uint8_t* u = c.u + row * c.k + span * kWideSpan;
      const int64_t n = span_values(c.k, span * kWideSpan);
      F32 largest = zero(), poison = zero();  // poison: 0 for finite values, else NaN, which the scale passes on
      for (int64_t i = 0; i < n; i += kLanes) {
        largest = max(abs(load(x + i)), largest);
        poison = fma(load(x + i), zero(), poison);
      }
      const float most = reduce_max(largest);
      const F32 inverse = set(most > 1e-30f ? 127 / most : 0);
      c.scales[row * n_spans + span] = (most > 1e-30f ? most / 127 : 0) + reduce_add(poison);
      for (int64_t i = 0; i < n; i += kLanes) {
        const I32 q = round_to_i32(load(x + i) * inverse) + set_i32(128);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(u + i), _mm512_cvtepi32_epi8(q.v));
      }
    }
}

// ---- the product
// --------------------------------------------------------------------------------------------------------

// One span: 24 integer sums, then scaled and added to the tile of floats, which stays in the first-level cache.
template <int kRows>
inline void wide_span(const uint8_t* span, int64_t values, const uint8_t* u, int64_t u_stride, const float* scales,
                      int64_t scale_stride, float* tile, bool first) {
  constexpr int kVectors = kWideColumns / 16;
  __m512i sums[kRows][kVectors];
  const uint8_t* corrections = span + 4 * kWideColumns;
  GALAGO_UNROLL for (int v = 0; v < kVectors; ++v) {
    const __m512i correction = _mm512_loadu_si512(corrections + 64 * v);
    GALAGO_UNROLL for (int r = 0; r < kRows; ++r) sums[r][v] = correction;
  }
  const uint8_t* quads = span + kSpanHead;
  for (int64_t i = 0; i < values; i += 4, quads += kQuadBytes) {
    __m512i w[kVectors];
    GALAGO_UNROLL for (int v = 0; v < kVectors; ++v) w[v] = _mm512_loadu_si512(quads + 64 * v);
    GALAGO_UNROLL for (int r = 0; r < kRows; ++r) {
      const __m512i four = _mm512_set1_epi32(*reinterpret_cast<const QuadBytes*>(u + r * u_stride + i));
      GALAGO_UNROLL for (int v = 0; v < kVectors; ++v) sums[r][v] = dot_quads(sums[r][v], four, w[v]);
    }
  }
  const float* column_scales = reinterpret_cast<const float*>(span);
  GALAGO_UNROLL for (int r = 0; r < kRows; ++r) {
    const F32 scale = set(scales[r * scale_stride]);
    GALAGO_UNROLL for (int v = 0; v < kVectors; ++v) {
      float* place = tile + r * kWideColumns + 16 * v;
      const F32 product = to_f32({sums[r][v]}) * (scale * load(column_scales + 16 * v));
      store(place, first ? product : load(place) + product);
    }
  }
}

template <int kRows>
void wide_tile(const WideGemmCall& c, int64_t row) {
  alignas(64) float tile[kRows * kWideColumns];
  const int64_t n_spans = (c.k + kWideSpan - 1) / kWideSpan;
  const uint8_t* span = c.expanded;
  for (int64_t begin = c.begin; begin < c.end; begin += kWideSpan) {
    const int64_t values = span_values(c.end, begin);
    wide_span<kRows>(span, values, c.u + row * c.k + begin, c.k, c.scales + row * n_spans + begin / kWideSpan, n_spans,
                     tile, begin == c.begin);
    span += span_bytes(values);
  }
  for (int r = 0; r < kRows; ++r)
    for (int64_t j = 0; j < c.n; j += kLanes) {
      float* y = c.y + (row + r) * c.y_stride + j;
      F32 sum = load(tile + r * kWideColumns + j);
      const int lanes = static_cast<int>(c.n - j < kLanes ? c.n - j : kLanes);
      if (c.begin > 0) sum = sum + load_part(y, lanes);
      if (c.begin == 0 && c.bias) sum = sum + load_part(c.bias + j, lanes);
      store_part(y, sum, lanes);
    }
}

void k_gemm_wide(const WideGemmCall& c) {
  int64_t row = 0;
  for (; row + kWideRows <= c.rows; row += kWideRows) wide_tile<kWideRows>(c, row);
  if (row + 4 <= c.rows) wide_tile<4>(c, row), row += 4;
  if (row + 2 <= c.rows) wide_tile<2>(c, row), row += 2;
  if (row < c.rows) wide_tile<1>(c, row);
}

#else

constexpr auto k_expand_wide = nullptr;
constexpr auto k_quantize_wide = nullptr;
constexpr auto k_gemm_wide = nullptr;

#endif

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
