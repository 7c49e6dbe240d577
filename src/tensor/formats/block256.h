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

  static void unpack(const void* row, int64_t group, Unpacked& u) {
    auto [block, j] = find_group(row, group, kValues, kBytes);
    SubScale sub = get_scale(block + kScalesAt, j);
    set_scale(u, load_f16(block) * static_cast<float>(sub.scale),
              load_f16(block + 2) * static_cast<float>(sub.minimum));
    for (int i = 0; i < kSubValues; ++i) u.code[i] = static_cast<int8_t>(code(block, j, i));
  }

  static void encode(const float* values, void* row, int64_t n, const float* importance) {
    auto* block = static_cast<uint8_t*>(row);
    for (int64_t at = 0; at < n; at += kValues, block += kBytes)
      encode_block(values + at, importance ? importance + at : nullptr, block);
  }

 private:
  static void encode_block(const float* values, const float* importance, uint8_t* block) {
    std::memset(block, 0, kBytes);
    int codes[kValues];
    float scales[kSubs], minima[kSubs], weights[kSubs];
    float variance = importance ? 2 * sum_of_squares(values, kValues) / kValues : 0.0f;
    for (int j = 0; j < kSubs; ++j) {
      const float* x = values + kSubValues * j;
      float w[kSubValues];
      weights[j] = importance ? weigh(x, importance + kSubValues * j, variance, kSubValues, w) : weigh_plain(x, w);
      scales[j] = fit_scale_and_min(x, w, kSubValues, kTop, importance ? kImportanceSearch : kSearch,
                                    codes + kSubValues * j, &minima[j]);
    }
    put_scales(block, scales, minima, importance ? weights : nullptr);
    for (int j = 0; j < kSubs; ++j) requantize(values + kSubValues * j, block, j, codes + kSubValues * j);
  }

  static float weigh_plain(const float* x, float* w) {
    float rms = std::sqrt(sum_of_squares(x, kSubValues) / kSubValues);
    for (int i = 0; i < kSubValues; ++i) w[i] = rms + std::fabs(x[i]);
    return 0;  // their sum is not needed
  }

  static void put_scales(uint8_t* block, const float* scales, const float* minima, const float* weights) {
    int scale_codes[kSubs], min_codes[kSubs];
    store_f16(block, fit_positive(scales, weights, kSubs, 63, scale_codes));
    store_f16(block + 2, fit_positive(minima, weights, kSubs, 63, min_codes));
    for (int j = 0; j < kSubs; ++j) put_scale(block + kScalesAt, j, {scale_codes[j], min_codes[j]});
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
