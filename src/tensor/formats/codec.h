// What every tensor/formats/<name>.cc implements, and small helpers they share. Layouts and quantizers follow ggml
// (ggml-org/ggml, src/ggml-common.h and src/ggml-quants.c) bit for bit: all arithmetic in f32, in the order written,
// never contracted to FMA.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "tensor/dtype.h"
#include "tensor/half.h"

namespace galago {

// Plain numbers have decode_F16 and encode_F16, block formats unpack_Q4_0 and, if they can be written, encode_Q4_0.
#define DTYPE(name, text, values, bytes, id)                                                 \
  void decode_##name(const void* row, float* values_out, int64_t n);                         \
  void encode_##name(const float* values_in, void* row, int64_t n, const float* importance); \
  void unpack_##name(const void* row, int64_t group, Unpacked& result);
#include "tensor/dtypes.def"
#undef DTYPE

constexpr int kGroupValues = 32;

// The block that a group is in, and which group of the block it is.
struct GroupPlace {
  const uint8_t* block;
  int index;
};
inline GroupPlace find_group(const void* row, int64_t group, int block_values, int block_bytes) {
  int64_t groups = block_values / kGroupValues;
  return {static_cast<const uint8_t*>(row) + group / groups * block_bytes, static_cast<int>(group % groups)};
}

inline void set_scale(Unpacked& u, float scale, float minimum = 0) {
  u.scale[0] = u.scale[1] = scale;
  u.minimum[0] = u.minimum[1] = minimum;
}

inline float load_f16(const uint8_t* bytes) { return f16_to_f32(static_cast<uint16_t>(bytes[0] | bytes[1] << 8)); }

// Returns the value as it will be read back.
inline float store_f16(uint8_t* bytes, float value) {
  uint16_t half = f32_to_f16(value);
  bytes[0] = static_cast<uint8_t>(half);
  bytes[1] = static_cast<uint8_t>(half >> 8);
  return f16_to_f32(half);
}

// Conversions to int that are defined for every float. Inside +-4e6 they are the roundings ggml uses; outside (weights
// that are infinite, NaN or out of proportion) any answer is as good, but it must not be undefined behaviour.
constexpr float kIntLimit = 4e6f;

inline int saturated(float v) { return v > 0 ? static_cast<int>(kIntLimit) : -static_cast<int>(kIntLimit); }

inline int truncate(float v) { return std::fabs(v) < kIntLimit ? static_cast<int>(v) : saturated(v); }

inline int round_away(float v) { return std::fabs(v) < kIntLimit ? static_cast<int>(std::round(v)) : saturated(v); }

inline int round_even(float v) {
  constexpr float kShift = 12582912.0f;  // 1.5 * 2^23: sums near it have a last bit worth 1, so adding rounds
  return std::fabs(v) < kIntLimit ? static_cast<int>((v + kShift) - kShift) : saturated(v);
}

// Value j of 32 in 16 bytes: the low nibble of byte j, or the high nibble of byte j - 16.
inline int get_nibble(const uint8_t* bytes, int j) { return j < 16 ? bytes[j] & 15 : bytes[j - 16] >> 4; }

inline void put_nibbles(uint8_t* bytes, const int* codes) {
  for (int j = 0; j < 16; ++j) bytes[j] = static_cast<uint8_t>((codes[j] & 15) | (codes[j + 16] & 15) << 4);
}

// Value n of 256 in 64 bytes of two-bit fields: byte 32 (n / 128) + n % 32, bits 2 (n % 128 / 32).
inline int get_crumb(const uint8_t* bytes, int n) {
  return (bytes[32 * (n / 128) + n % 32] >> (2 * (n % 128 / 32))) & 3;
}

inline void put_crumb(uint8_t* bytes, int n, int code) {
  uint8_t& byte = bytes[32 * (n / 128) + n % 32];
  byte = static_cast<uint8_t>(byte | code << (2 * (n % 128 / 32)));
}

inline float reciprocal_or_zero(float v) { return v != 0 ? 1.0f / v : 0.0f; }

// The element with the largest magnitude, with its sign; the first one wins a tie.
inline float signed_max(const float* x, int n) {
  float largest = 0, result = 0;
  for (int i = 0; i < n; ++i) {
    if (std::fabs(x[i]) > largest) {
      largest = std::fabs(x[i]);
      result = x[i];
    }
  }
  return result;
}

}  // namespace galago
