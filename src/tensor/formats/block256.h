// Q4_K and Q5_K (ggml): blocks of 256 values, eight sub-blocks of 32 with 6-bit scales and minima.
//   f16 d; f16 dmin; u8 s[12]; [u8 high[32]]; u8 low[128]
// value n of sub-block j = n / 32:  (d * scale_j) * q - dmin * min_j. The low four bits of q are a nibble of byte
// 32 * (n / 64) + n % 32 (low nibble for even j); with 5 bits, bit j of high[n % 32] is the fifth.
#pragma once

#include "tensor/formats/codec.h"
#include "tensor/formats/fit.h"

namespace galago {

template <int kBits>
struct Block256 {
  static constexpr int kValues = 256, kSubs = 8, kSubValues = 32;
  static constexpr int kTop = (1 << kBits) - 1;
  static constexpr int kScalesAt = 4, kHighAt = 16;
  static constexpr int kLowAt = kHighAt + (kBits == 5 ? 32 : 0);
  static constexpr int kBytes = kLowAt + 128;
  // How far and how finely the search for a scale goes: see fit_scale_and_min.
  static constexpr FitSearch kSearch = kBits == 5 ? FitSearch{-0.5f, 0.1f, 15} : FitSearch{-1.0f, 0.1f, 20};

  struct SubScale {
    int scale, minimum;
  };

  static SubScale get_scale(const uint8_t* s, int j) {
    if (j < 4) return {s[j] & 63, s[j + 4] & 63};
    return {(s[j + 4] & 15) | (s[j - 4] >> 6) << 4, (s[j + 4] >> 4) | (s[j] >> 6) << 4};
  }

  // In order of j, into zeroed bytes: the later sub-blocks put their upper bits above the earlier ones.
  static void put_scale(uint8_t* s, int j, SubScale v) {
    if (j < 4) {
      s[j] = static_cast<uint8_t>(v.scale);
      s[j + 4] = static_cast<uint8_t>(v.minimum);
      return;
    }
    s[j + 4] = static_cast<uint8_t>((v.scale & 15) | (v.minimum & 15) << 4);
    s[j - 4] = static_cast<uint8_t>(s[j - 4] | (v.scale >> 4) << 6);
    s[j] = static_cast<uint8_t>(s[j] | (v.minimum >> 4) << 6);
  }

  static int code(const uint8_t* block, int j, int i) {
    int byte = block[kLowAt + 32 * (j / 2) + i];
    int q = j % 2 == 0 ? byte & 15 : byte >> 4;
    if constexpr (kBits == 5) q |= ((block[kHighAt + i] >> j) & 1) << 4;
    return q;
  }

  static void put_code(uint8_t* block, int j, int i, int q) {
    uint8_t& byte = block[kLowAt + 32 * (j / 2) + i];
    byte = static_cast<uint8_t>(byte | (q & 15) << (j % 2 == 0 ? 0 : 4));
    if constexpr (kBits == 5) block[kHighAt + i] = static_cast<uint8_t>(block[kHighAt + i] | (q >> 4) << j);
  }

  static void decode(const void* row, float* values, int64_t n) {
    const auto* block = static_cast<const uint8_t*>(row);
    for (; n > 0; n -= kValues, block += kBytes, values += kValues) {
      float d = load_f16(block), dmin = load_f16(block + 2);
      for (int j = 0; j < kSubs; ++j) {
        SubScale sub = get_scale(block + kScalesAt, j);
        float scale = d * static_cast<float>(sub.scale), minimum = dmin * static_cast<float>(sub.minimum);
        for (int i = 0; i < kSubValues; ++i)
          values[kSubValues * j + i] = scale * static_cast<float>(code(block, j, i)) - minimum;
      }
    }
  }

  static void encode(const float* values, void* row, int64_t n) {
    auto* block = static_cast<uint8_t*>(row);
    for (; n > 0; n -= kValues, block += kBytes, values += kValues) encode_block(values, block);
  }

 private:
  static void encode_block(const float* values, uint8_t* block) {
    std::memset(block, 0, kBytes);
    int codes[kValues];
    float scales[kSubs], minima[kSubs];
    for (int j = 0; j < kSubs; ++j)
      fit_sub_block(values + kSubValues * j, scales[j], minima[j], codes + kSubValues * j);
    put_scales(block, scales, minima);
    for (int j = 0; j < kSubs; ++j) requantize(values + kSubValues * j, block, j, codes + kSubValues * j);
  }

  static void fit_sub_block(const float* x, float& scale, float& minimum, int* codes) {
    float weights[kSubValues], squares = 0;
    for (int i = 0; i < kSubValues; ++i) squares += x[i] * x[i];
    float rms = std::sqrt(squares / kSubValues);
    for (int i = 0; i < kSubValues; ++i) weights[i] = rms + std::fabs(x[i]);
    scale = fit_scale_and_min(x, weights, kSubValues, kTop, kSearch, codes, &minimum);
  }

  static void put_scales(uint8_t* block, const float* scales, const float* minima) {
    float max_scale = std::max(0.0f, *std::max_element(scales, scales + kSubs));
    float max_min = std::max(0.0f, *std::max_element(minima, minima + kSubs));
    float inverse_scale = max_scale > 0 ? 63.0f / max_scale : 0.0f;
    float inverse_min = max_min > 0 ? 63.0f / max_min : 0.0f;
    for (int j = 0; j < kSubs; ++j)
      put_scale(block + kScalesAt, j,
                {std::clamp(round_even(inverse_scale * scales[j]), 0, 63),
                 std::clamp(round_even(inverse_min * minima[j]), 0, 63)});
    store_f16(block, max_scale / 63.0f);
    store_f16(block + 2, max_min / 63.0f);
  }

  // The stored scales differ from the fitted ones, so the codes are chosen again; a zero scale keeps the fitted codes.
  static void requantize(const float* x, uint8_t* block, int j, int* codes) {
    SubScale sub = get_scale(block + kScalesAt, j);
    float scale = load_f16(block) * static_cast<float>(sub.scale);
    float minimum = load_f16(block + 2) * static_cast<float>(sub.minimum);
    for (int i = 0; i < kSubValues; ++i) {
      if (scale != 0) codes[i] = std::clamp(round_even((x[i] + minimum) / scale), 0, kTop);
      put_code(block, j, i, codes[i]);
    }
  }
};

}  // namespace galago
