// The four formats with blocks of 32 values and 4 or 5 bits a value (ggml Q4_0, Q4_1, Q5_0, Q5_1):
//   f16 d; [f16 m]; [u8 high[4]]; u8 low[16]
// Value j < 16 has the low nibble of byte j, value j + 16 the high nibble. With 5 bits, bit j of the little-endian u32
// `high` is the fifth bit of value j. Without m: value = (q - half) * d; with m: value = q * d + m.
#pragma once

#include <algorithm>

#include "tensor/formats/codec.h"

namespace galago {

template <int kBits, bool kHasMin>
struct Block32 {
  static constexpr int kValues = 32;
  static constexpr int kTop = (1 << kBits) - 1;
  static constexpr int kHalf = 1 << (kBits - 1);
  static constexpr int kHighAt = kHasMin ? 4 : 2;
  static constexpr int kLowAt = kHighAt + (kBits == 5 ? 4 : 0);
  static constexpr int kBytes = kLowAt + 16;

  static uint32_t high_bits(const uint8_t* block) {
    uint32_t high = 0;
    for (int i = 0; kBits == 5 && i < 4; ++i) high |= static_cast<uint32_t>(block[kHighAt + i]) << (8 * i);
    return high;
  }

  static int code(const uint8_t* block, uint32_t high, int j) {
    int byte = block[kLowAt + j % 16];
    return (j < 16 ? byte & 15 : byte >> 4) | static_cast<int>((high >> j) & 1) << 4;
  }

  static void put_codes(uint8_t* block, const int* codes) {
    uint32_t high = 0;
    for (int j = 0; j < kValues; ++j) high |= static_cast<uint32_t>(codes[j] >> 4) << j;
    for (int i = 0; kBits == 5 && i < 4; ++i) block[kHighAt + i] = static_cast<uint8_t>(high >> (8 * i));
    for (int j = 0; j < 16; ++j) block[kLowAt + j] = static_cast<uint8_t>((codes[j] & 15) | (codes[j + 16] & 15) << 4);
  }

  static void decode(const void* row, float* values, int64_t n) {
    const auto* block = static_cast<const uint8_t*>(row);
    for (; n > 0; n -= kValues, block += kBytes, values += kValues) {
      float d = load_f16(block);
      float m = kHasMin ? load_f16(block + 2) : 0.0f;
      uint32_t high = high_bits(block);
      for (int j = 0; j < kValues; ++j) {
        int q = code(block, high, j);
        values[j] = kHasMin ? static_cast<float>(q) * d + m : static_cast<float>(q - kHalf) * d;
      }
    }
  }

  static void encode(const float* values, void* row, int64_t n) {
    auto* block = static_cast<uint8_t*>(row);
    for (; n > 0; n -= kValues, block += kBytes, values += kValues) {
      int codes[kValues];
      kHasMin ? fit_range(values, block, codes) : fit_symmetric(values, block, codes);
      put_codes(block, codes);
    }
  }

 private:
  // The largest element becomes exactly -half, so the sign of d follows it.
  static void fit_symmetric(const float* values, uint8_t* block, int* codes) {
    float d = signed_max(values, kValues) / static_cast<float>(-kHalf);
    float inverse = reciprocal_or_zero(d);
    store_f16(block, d);
    for (int j = 0; j < kValues; ++j)
      codes[j] = std::clamp(truncate(values[j] * inverse + (static_cast<float>(kHalf) + 0.5f)), 0, kTop);
  }

  static void fit_range(const float* values, uint8_t* block, int* codes) {
    auto [low, high] = std::minmax_element(values, values + kValues);
    float minimum = *low;
    float d = (*high - minimum) / static_cast<float>(kTop);
    float inverse = reciprocal_or_zero(d);
    store_f16(block, d);
    store_f16(block + 2, minimum);
    for (int j = 0; j < kValues; ++j) codes[j] = std::clamp(truncate((values[j] - minimum) * inverse + 0.5f), 0, kTop);
  }
};

}  // namespace galago
