// Q6_K (ggml): blocks of 256 values in 210 bytes, sixteen sub-blocks of 16 with signed 8-bit scales.
//   u8 low[128]; u8 high[64]; i8 scale[16]; f16 d.     value n = (d * scale[n / 16]) * (q - 32)
// Inside each half h = n / 128, with g = (n % 128) / 32 and l = n % 32: the low four bits are a nibble of
// low[64h + l + 32 * (g & 1)] (low nibble for g < 2), the upper two are bits 2g of high[32h + l].
#include "tensor/formats/codec.h"
#include "tensor/formats/fit.h"

namespace galago {
namespace {

constexpr int kValues = 256, kBytes = 210, kSubs = 16, kSubValues = 16, kHalf = 32;
constexpr int kHighAt = 128, kScaleAt = 192, kDAt = 208;

struct Place {  // where the bits of one value are
  int low, low_shift, high, high_shift;
};

Place place(int n) {
  int h = n / 128, g = (n % 128) / 32, l = n % 32;
  return {64 * h + l + 32 * (g & 1), g < 2 ? 0 : 4, kHighAt + 32 * h + l, 2 * g};
}

int get_code(const uint8_t* block, int n) {
  Place p = place(n);
  return ((block[p.low] >> p.low_shift) & 15) | ((block[p.high] >> p.high_shift) & 3) << 4;
}

void put_code(uint8_t* block, int n, int q) {
  Place p = place(n);
  block[p.low] = static_cast<uint8_t>(block[p.low] | (q & 15) << p.low_shift);
  block[p.high] = static_cast<uint8_t>(block[p.high] | (q >> 4) << p.high_shift);
}

// A zero scale keeps the fitted codes.
void requantize(const float* x, float scale, int* codes) {
  if (scale == 0) return;
  for (int i = 0; i < kSubValues; ++i) codes[i] = std::clamp(round_even(x[i] / scale), -kHalf, kHalf - 1) + kHalf;
}

void encode_block(const float* values, const float* importance, uint8_t* block) {
  std::memset(block, 0, kBytes);
  int codes[kValues];
  float scales[kSubs];
  for (int j = 0; j < kSubs; ++j)
    scales[j] = fit_symmetric(values + kSubValues * j, importance ? importance + kSubValues * j : nullptr, kSubValues,
                              kHalf, codes + kSubValues * j);
  float largest = signed_max(scales, kSubs);
  if (std::fabs(largest) < kNegligible) return;

  float inverse = -128.0f / largest;
  float d = store_f16(block + kDAt, 1 / inverse);
  for (int j = 0; j < kSubs; ++j) {
    int scale = std::clamp(round_even(inverse * scales[j]), -128, 127);
    block[kScaleAt + j] = static_cast<uint8_t>(scale);
    requantize(values + kSubValues * j, d * static_cast<float>(scale), codes + kSubValues * j);
  }
  for (int n = 0; n < kValues; ++n) put_code(block, n, codes[n]);
}

}  // namespace

void unpack_Q6_K(const void* row, int64_t group, Unpacked& u) {
  auto [block, index] = find_group(row, group, kValues, kBytes);
  for (int half = 0; half < 2; ++half)
    u.scale[half] =
        load_f16(block + kDAt) * static_cast<float>(static_cast<int8_t>(block[kScaleAt + 2 * index + half]));
  for (int i = 0; i < kGroupValues; ++i)
    u.code[i] = static_cast<int8_t>(get_code(block, kGroupValues * index + i) - kHalf);
}

void encode_Q6_K(const float* values, void* row, int64_t n, const float* importance) {
  auto* block = static_cast<uint8_t*>(row);
  for (int64_t at = 0; at < n; at += kValues, block += kBytes)
    encode_block(values + at, importance ? importance + at : nullptr, block);
}

}  // namespace galago
