// IQ4_XS (ggml): blocks of 256 values in 136 bytes, eight sub-blocks of 32 with signed 6-bit scales.
//   f16 d; u16 high; u8 low[4]; u8 codes[8][16].     value = (d * scale_b) * kIq4Values[q]
// scale_b + 32 has its low four bits in a nibble of low[b / 2] (low nibble for even b), the others in bits 2b of high.
#include "tensor/formats/iq4.h"

namespace galago {
namespace {

constexpr int kValues = 256, kBytes = 136, kSubs = 8, kSubValues = 32, kHalf = 32;
constexpr int kHighAt = 2, kLowAt = 4, kCodesAt = 8;

int get_scale(const uint8_t* block, int b) {
  int high = block[kHighAt + b / 4] >> (2 * (b % 4));
  return (((block[kLowAt + b / 2] >> (4 * (b % 2))) & 15) | (high & 3) << 4) - kHalf;
}

void put_scale(uint8_t* block, int b, int scale) {
  uint8_t &low = block[kLowAt + b / 2], &high = block[kHighAt + b / 4];
  low = static_cast<uint8_t>(low | ((scale + kHalf) & 15) << (4 * (b % 2)));
  high = static_cast<uint8_t>(high | (scale + kHalf) >> 4 << (2 * (b % 4)));
}

// Scales and codes use d before it is rounded to f16.
void encode_block(const float* values, const float* importance, uint8_t* block) {
  std::memset(block, 0, kBytes);
  float scales[kSubs];
  float variance = 2 * sum_of_squares(values, kValues) / kValues;
  for (int b = 0; b < kSubs; ++b) {
    float w[kSubValues];
    weigh_iq4(values + kSubValues * b, importance ? importance + kSubValues * b : nullptr, variance, w);
    scales[b] = fit_iq4(values + kSubValues * b, w, kSubValues);
  }
  float d = -signed_max(scales, kSubs) / kHalf, inverse = reciprocal_or_zero(d);
  store_f16(block, d);
  for (int b = 0; b < kSubs; ++b) {
    int scale = std::clamp(round_even(inverse * scales[b]), -kHalf, kHalf - 1);
    put_scale(block, b, scale);
    put_iq4(values + kSubValues * b, d * static_cast<float>(scale), block + kCodesAt + 16 * b);
  }
}

}  // namespace

void unpack_IQ4_XS(const void* row, int64_t group, Unpacked& u) {
  auto [block, b] = find_group(row, group, kValues, kBytes);
  set_scale(u, load_f16(block) * static_cast<float>(get_scale(block, b)));
  for (int i = 0; i < kGroupValues; ++i) u.code[i] = kIq4Values[get_nibble(block + kCodesAt + 16 * b, i)];
}

void encode_IQ4_XS(const float* values, void* row, int64_t n, const float* importance) {
  auto* block = static_cast<uint8_t*>(row);
  for (int64_t at = 0; at < n; at += kValues, block += kBytes)
    encode_block(values + at, importance ? importance + at : nullptr, block);
}

}  // namespace galago
