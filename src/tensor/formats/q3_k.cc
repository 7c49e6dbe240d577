// Q3_K (ggml): blocks of 256 values in 110 bytes, sixteen sub-blocks of 16 with signed 6-bit scales.
//   u8 high[32]; u8 crumbs[64]; u8 s[12]; f16 d.     value n = (d * scale[n / 16]) * (q - 4)
// The third bit of q is bit n / 32 of high[n % 32]. Of scale + 32, the low nibbles of 0..7 and 8..15 are those of
// s[0..7], low and high; bits 4 and 5 of scale j are bits 2 (j / 4) of s[8 + j % 4].
#include "tensor/formats/codec.h"
#include "tensor/formats/fit.h"

namespace galago {
namespace {

constexpr int kValues = 256, kBytes = 110, kSubs = 16, kSubValues = 16, kHalf = 4, kScaleHalf = 32;
constexpr int kCodesAt = 32, kScaleAt = 96, kDAt = 108;

int get_scale(const uint8_t* s, int j) {
  int low = j < 8 ? s[j] & 15 : s[j - 8] >> 4;
  return (low | ((s[8 + j % 4] >> (2 * (j / 4))) & 3) << 4) - kScaleHalf;
}

void put_scale(uint8_t* s, int j, int code) {
  s[j % 8] = static_cast<uint8_t>(s[j % 8] | (code & 15) << (j < 8 ? 0 : 4));
  s[8 + j % 4] = static_cast<uint8_t>(s[8 + j % 4] | (code >> 4) << (2 * (j / 4)));
}

void put_code(uint8_t* block, int n, int q) {
  block[n % 32] = static_cast<uint8_t>(block[n % 32] | (q >> 2) << (n / 32));
  put_crumb(block + kCodesAt, n, q & 3);
}

// The sixteen scales as d * (code - 32). Returns d; without weights the largest becomes -32.
float fit_scales(const float* scales, const float* weights, int* codes) {
  if (weights) return fit_symmetric(scales, weights, kSubs, kScaleHalf, codes);
  float largest = signed_max(scales, kSubs);
  std::fill(codes, codes + kSubs, 0);
  if (largest == 0) return 0;
  float inverse = static_cast<float>(-kScaleHalf) / largest;
  for (int j = 0; j < kSubs; ++j)
    codes[j] = std::clamp(round_even(inverse * scales[j]), -kScaleHalf, kScaleHalf - 1) + kScaleHalf;
  return 1 / inverse;
}

// The stored scales differ from the fitted ones, so the codes are chosen again; a zero scale keeps the fitted codes.
void put_codes(const float* values, int* codes, uint8_t* block) {
  for (int n = 0; n < kValues; ++n) {
    float scale = load_f16(block + kDAt) * static_cast<float>(get_scale(block + kScaleAt, n / kSubValues));
    if (scale != 0) codes[n] = std::clamp(round_even(values[n] / scale), -kHalf, kHalf - 1) + kHalf;
    put_code(block, n, codes[n]);
  }
}

void encode_block(const float* values, const float* importance, uint8_t* block) {
  std::memset(block, 0, kBytes);
  int codes[kValues], scale_codes[kSubs];
  float scales[kSubs], weights[kSubs];
  float variance = importance ? 2 * sum_of_squares(values, kValues) / kValues : 0.0f;
  for (int j = 0; j < kSubs; ++j) {
    const float* x = values + kSubValues * j;
    float w[kSubValues];
    if (importance) weights[j] = weigh(x, importance + kSubValues * j, variance, kSubValues, w);
    scales[j] = importance ? fit_symmetric(x, w, kSubValues, kHalf, codes + kSubValues * j)
                           : fit_stepwise(x, kSubValues, kHalf, codes + kSubValues * j);
  }
  store_f16(block + kDAt, fit_scales(scales, importance ? weights : nullptr, scale_codes));
  for (int j = 0; j < kSubs; ++j) put_scale(block + kScaleAt, j, scale_codes[j]);
  put_codes(values, codes, block);
}

}  // namespace

void unpack_Q3_K(const void* row, int64_t group, Unpacked& u) {
  auto [block, index] = find_group(row, group, kValues, kBytes);
  for (int half = 0; half < 2; ++half)
    u.scale[half] = load_f16(block + kDAt) * static_cast<float>(get_scale(block + kScaleAt, 2 * index + half));
  for (int i = 0; i < kGroupValues; ++i) {
    int high = (block[i] >> index) & 1;
    u.code[i] = static_cast<int8_t>((get_crumb(block + kCodesAt, kGroupValues * index + i) | high << 2) - kHalf);
  }
}

void encode_Q3_K(const float* values, void* row, int64_t n, const float* importance) {
  auto* block = static_cast<uint8_t*>(row);
  for (int64_t at = 0; at < n; at += kValues, block += kBytes)
    encode_block(values + at, importance ? importance + at : nullptr, block);
}

}  // namespace galago
