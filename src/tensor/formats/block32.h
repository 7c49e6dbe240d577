// The four formats with blocks of 32 values and 4 or 5 bits a value (ggml Q4_0, Q4_1, Q5_0, Q5_1):
//   f16 d; [f16 m]; [u8 high[4]]; u8 low[16]
// Value j < 16 has the low nibble of byte j, value j + 16 the high nibble. With 5 bits, bit j of the little-endian u32
// `high` is the fifth bit of value j. Without m: value = (q - half) * d; with m: value = q * d + m.
#pragma once

#include <algorithm>

#include "tensor/formats/codec.h"
#include "tensor/formats/fit.h"

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
    return get_nibble(block + kLowAt, j) | static_cast<int>((high >> j) & 1) << 4;
  }

  static void put_codes(uint8_t* block, const int* codes) {
    uint32_t high = 0;
    for (int j = 0; j < kValues; ++j) high |= static_cast<uint32_t>(codes[j] >> 4) << j;
    for (int i = 0; kBits == 5 && i < 4; ++i) block[kHighAt + i] = static_cast<uint8_t>(high >> (8 * i));
    put_nibbles(block + kLowAt, codes);
  }

  static void unpack(const void* row, int64_t group, Unpacked& u) {
    const uint8_t* block = static_cast<const uint8_t*>(row) + group * kBytes;
    set_scale(u, load_f16(block), kHasMin ? -load_f16(block + 2) : 0.0f);
    uint32_t high = high_bits(block);
    for (int j = 0; j < kValues; ++j) u.code[j] = static_cast<int8_t>(code(block, high, j) - (kHasMin ? 0 : kHalf));
  }

  static void encode(const float* values, void* row, int64_t n, const float* importance) {
    auto* block = static_cast<uint8_t*>(row);
    float variance = importance ? sum_of_squares(values, n) / static_cast<float>(n) : 0.0f;  // of the whole row
    for (; n > 0; n -= kValues, block += kBytes, values += kValues) {
      int codes[kValues];
      if (importance) {
        fit_weighted(values, importance, variance, block, codes);
        importance += kValues;
      } else {
        kHasMin ? fit_range(values, block, codes) : fit_largest(values, block, codes);
      }
      put_codes(block, codes);
    }
  }

 private:
  // The largest element becomes exactly -half, so the sign of d follows it.
  static void fit_largest(const float* values, uint8_t* block, int* codes) {
    float d = signed_max(values, kValues) / static_cast<float>(-kHalf);
    float inverse = reciprocal_or_zero(d);
    store_f16(block, d);
    for (int j = 0; j < kValues; ++j)
      codes[j] = std::clamp(truncate(values[j] * inverse + (static_cast<float>(kHalf) + 0.5f)), 0, kTop);
  }

  static void fit_weighted(const float* values, const float* importance, float variance, uint8_t* block, int* codes) {
    float w[kValues];
    weigh(values, importance, variance, kValues, w);
    if constexpr (kHasMin) {
      float minimum;
      store_f16(block, fit_scale_and_min(values, w, kValues, kTop, kImportanceSearch, codes, &minimum));
      store_f16(block + 2, -minimum);
    } else {
      store_f16(block, fit_symmetric(values, w, kValues, kHalf, codes));
    }
  }

  static void fit_range(const float* values, uint8_t* block, int* codes) {
    float minimum = values[0], maximum = values[0];  // of zeros of both signs the first, whose sign is stored
    for (int j = 1; j < kValues; ++j) {
      if (values[j] < minimum) minimum = values[j];
      if (values[j] > maximum) maximum = values[j];
    }
    float d = (maximum - minimum) / static_cast<float>(kTop);
    float inverse = reciprocal_or_zero(d);
    store_f16(block, d);
    store_f16(block + 2, minimum);
    for (int j = 0; j < kValues; ++j) codes[j] = std::clamp(truncate((values[j] - minimum) * inverse + 0.5f), 0, kTop);
  }
};

}  // namespace galago
