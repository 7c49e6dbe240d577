// dot-inl.h for NEON: with dot products by element (armv8.2 dotprod) where the level has them, else with widening
// multiplications.
#pragma once

namespace galago::cpu::GALAGO_ISA {
namespace {

constexpr int kUnitRows = 8, kTileUnits = 1;
constexpr int kInt8Rows = 4;  // eight registers of sums, beside sixteen of codes
struct IU {
  int32x4_t a, b;
};
struct BytesU {
  uint8x16_t a, b;
};

GALAGO_INLINE int32_t to_int8(const V16& x, int8_t* p) {  // NaN becomes 0
  const int32x4_t a = vcvtnq_s32_f32(x.v[0].v), b = vcvtnq_s32_f32(x.v[1].v);
  const int32x4_t c = vcvtnq_s32_f32(x.v[2].v), d = vcvtnq_s32_f32(x.v[3].v);
  const int16x8_t ab = vqmovn_high_s32(vqmovn_s32(a), b), cd = vqmovn_high_s32(vqmovn_s32(c), d);
  vst1q_s8(p, vqmovn_high_s16(vqmovn_s16(ab), cd));
  return vaddvq_s32(vaddq_s32(vaddq_s32(a, b), vaddq_s32(c, d)));
}
GALAGO_INLINE Vec<kUnitRows> to_float(const IU& x) { return {{{vcvtq_f32_s32(x.a)}, {vcvtq_f32_s32(x.b)}}}; }
GALAGO_INLINE IU iu_set(int32_t x) { return {vdupq_n_s32(x), vdupq_n_s32(x)}; }
GALAGO_INLINE IU operator-(const IU& x, const IU& y) { return {vsubq_s32(x.a, y.a), vsubq_s32(x.b, y.b)}; }
template <int n>
GALAGO_INLINE IU iu_shift_left(const IU& x) {
  return {vshlq_n_s32(x.a, n), vshlq_n_s32(x.b, n)};
}
GALAGO_INLINE BytesU bytes_load(const uint8_t* p) { return {vld1q_u8(p), vld1q_u8(p + 16)}; }
GALAGO_INLINE void bytes_store(uint8_t* p, const BytesU& x) {
  vst1q_u8(p, x.a);
  vst1q_u8(p + 16, x.b);
}
GALAGO_INLINE BytesU operator|(const BytesU& x, const BytesU& y) { return {vorrq_u8(x.a, y.a), vorrq_u8(x.b, y.b)}; }
GALAGO_INLINE BytesU operator&(const BytesU& x, const BytesU& y) { return {vandq_u8(x.a, y.a), vandq_u8(x.b, y.b)}; }
GALAGO_INLINE BytesU bytes_set(int x) {
  const uint8x16_t bytes = vdupq_n_u8(static_cast<uint8_t>(x));
  return {bytes, bytes};
}
template <int n>
GALAGO_INLINE BytesU words_shift_right(const BytesU& x) {
  return {vshrq_n_u8(x.a, n), vshrq_n_u8(x.b, n)};
}
template <int n>
GALAGO_INLINE BytesU words_shift_left(const BytesU& x) {
  return {vshlq_n_u8(x.a, n), vshlq_n_u8(x.b, n)};
}
GALAGO_INLINE BytesU look_up(const uint8_t* table, const BytesU& codes) {
  const uint8x16_t entries = vld1q_u8(table);
  return {vqtbl1q_u8(entries, codes.a), vqtbl1q_u8(entries, codes.b)};
}

// All products are of signed bytes: codes of fewer bits are that already.
GALAGO_INLINE BytesU dot_ready(const BytesU& codes) {
  const uint8x16_t top = vdupq_n_u8(0x80);
  return {veorq_u8(codes.a, top), veorq_u8(codes.b, top)};
}
constexpr bool kSignedBytes = true;

#if defined(__ARM_FEATURE_DOTPROD)

GALAGO_INLINE IU add_products(const IU& sum, const BytesU& codes, const BytesU& q) {
  return {vdotq_s32(sum.a, vreinterpretq_s8_u8(codes.a), vreinterpretq_s8_u8(q.a)),
          vdotq_s32(sum.b, vreinterpretq_s8_u8(codes.b), vreinterpretq_s8_u8(q.b))};
}

template <Codes kCodes, int kFrom = 0, int kTo = 8>
GALAGO_INLINE IU dot_block(const BytesU* codes, const int8_t* q) {
  IU sum = iu_set(0);
  auto add = [&]<int lane>(const BytesU& four, int8x16_t quads) GALAGO_LAMBDA_INLINE {
    sum.a = vdotq_laneq_s32(sum.a, vreinterpretq_s8_u8(four.a), quads, lane);
    sum.b = vdotq_laneq_s32(sum.b, vreinterpretq_s8_u8(four.b), quads, lane);
  };
  GALAGO_UNROLL for (int j = kFrom; j < kTo; j += 4) {
    const int8x16_t quads = vld1q_s8(q + 4 * j);
    add.template operator()<0>(codes[j], quads);
    add.template operator()<1>(codes[j + 1], quads);
    add.template operator()<2>(codes[j + 2], quads);
    add.template operator()<3>(codes[j + 3], quads);
  }
  return sum;
}

#if defined(__ARM_FEATURE_MATMUL_INT8)
#define GALAGO_ROW_PAIRS 1

// The same for two rows of x, q and q + 32, by products of 2 x 8 with 8 x 2 (armv8.6 i8mm): zipping two vectors of
// codes puts eight values of k of two rows side by side.
template <int kFrom, int kTo>
GALAGO_INLINE void dot_pair(const BytesU* codes, const int8_t* q, IU& first, IU& second) {
  int32x4_t sums[4];  // two rows of w each: w0 x0, w0 x1, w1 x0, w1 x1
  GALAGO_UNROLL for (int p = 0; p < 4; ++p) sums[p] = vdupq_n_s32(0);
  GALAGO_UNROLL for (int j = kFrom; j < kTo; j += 2) {
    const int8x16_t x = vcombine_s8(vld1_s8(q + 4 * j), vld1_s8(q + kBlockValues + 4 * j));
    const int32x4_t a0 = vreinterpretq_s32_u8(codes[j].a), a1 = vreinterpretq_s32_u8(codes[j + 1].a);
    const int32x4_t b0 = vreinterpretq_s32_u8(codes[j].b), b1 = vreinterpretq_s32_u8(codes[j + 1].b);
    sums[0] = vmmlaq_s32(sums[0], vreinterpretq_s8_s32(vzip1q_s32(a0, a1)), x);
    sums[1] = vmmlaq_s32(sums[1], vreinterpretq_s8_s32(vzip2q_s32(a0, a1)), x);
    sums[2] = vmmlaq_s32(sums[2], vreinterpretq_s8_s32(vzip1q_s32(b0, b1)), x);
    sums[3] = vmmlaq_s32(sums[3], vreinterpretq_s8_s32(vzip2q_s32(b0, b1)), x);
  }
  first = {vuzp1q_s32(sums[0], sums[1]), vuzp1q_s32(sums[2], sums[3])};
  second = {vuzp2q_s32(sums[0], sums[1]), vuzp2q_s32(sums[2], sums[3])};
}
#endif

#else

GALAGO_INLINE int32x4_t add_products(int32x4_t sum, uint8x16_t codes, uint8x16_t q) {
  const int8x16_t w = vreinterpretq_s8_u8(codes), x = vreinterpretq_s8_u8(q);
  const int16x8_t words = vmlal_s8(vreinterpretq_s16_s32(sum), vget_low_s8(w), vget_low_s8(x));
  return vreinterpretq_s32_s16(vmlal_high_s8(words, w, x));
}
GALAGO_INLINE IU add_products(const IU& sum, const BytesU& codes, const BytesU& q) {
  return {add_products(sum.a, codes.a, q.a), add_products(sum.b, codes.b, q.b)};
}

// Products of eight bytes stay apart in int16 while kAtOnce vectors are added up: code * 127 * kAtOnce < 32768.
template <int kFrom, int kTo, int kAtOnce>
GALAGO_INLINE int32x4_t dot_four_rows(const uint8x16_t* codes, const QuadBytes* quads) {
  int32x4_t sum = vdupq_n_s32(0);
  GALAGO_UNROLL for (int j = kFrom; j < kTo; j += kAtOnce) {
    int16x8_t low = vdupq_n_s16(0), high = low;  // rows 0, 1 and rows 2, 3
    GALAGO_UNROLL for (int i = j; i < j + kAtOnce; ++i) {
      const int8x16_t q = vreinterpretq_s8_s32(vdupq_n_s32(quads[i])), w = vreinterpretq_s8_u8(codes[i]);
      low = vmlal_s8(low, vget_low_s8(w), vget_low_s8(q));
      high = vmlal_high_s8(high, w, q);
    }
    sum = vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
  }
  return sum;
}

template <Codes kCodes, int kFrom = 0, int kTo = 8>
GALAGO_INLINE IU dot_block(const BytesU* codes, const int8_t* q) {
  constexpr int kMost = kTo - kFrom;
  constexpr int kAtOnce = kCodes == Codes::Byte ? 2 : kCodes == Codes::Bits6 && kMost > 4 ? 4 : kMost;
  const QuadBytes* quads = reinterpret_cast<const QuadBytes*>(q);
  uint8x16_t a[8], b[8];
  GALAGO_UNROLL for (int j = kFrom; j < kTo; ++j) a[j] = codes[j].a, b[j] = codes[j].b;
  return {dot_four_rows<kFrom, kTo, kAtOnce>(a, quads), dot_four_rows<kFrom, kTo, kAtOnce>(b, quads)};
}

#endif

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
