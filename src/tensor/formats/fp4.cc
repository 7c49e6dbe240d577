// The 4-bit floats (E2M1) of OCP Microscaling (MXFP4) and of NVIDIA (NVFP4) as ggml stores them; only read.
//   MXFP4  32 values in 17 bytes: u8 e; u8 codes[16].       value = E2M1[q] * 2^(e - 127)
//   NVFP4  64 values in 36 bytes: u8 e[4]; u8 codes[4][8].  value = E2M1[q] * e as an unsigned 8-bit float (E4M3), one
//          for 16 values: value j < 8 of them is the low nibble of byte j, value j + 8 the high one
// The codes here are E2M1 doubled, so the scales are halved.
#include "tensor/formats/codec.h"

namespace galago {
namespace {

constexpr int8_t kE2m1Doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
constexpr int kMxBytes = 17, kNvBytes = 36, kNvValues = 64;

// Half of an E4M3 number without sign; 0x7F, which would be NaN, is 0.
float half_e4m3(int bits) {
  if (bits == 0x7F) return 0;
  int exponent = (bits >> 3) & 15, mantissa = bits & 7;
  float value = exponent ? std::ldexp(1.0f + static_cast<float>(mantissa) / 8, exponent - 7)
                         : std::ldexp(static_cast<float>(mantissa), -9);
  return 0.5f * value;
}

}  // namespace

void unpack_MXFP4(const void* row, int64_t group, Unpacked& u) {
  const uint8_t* block = static_cast<const uint8_t*>(row) + group * kMxBytes;
  set_scale(u, std::ldexp(1.0f, block[0] - 128));
  for (int i = 0; i < kGroupValues; ++i) u.code[i] = kE2m1Doubled[get_nibble(block + 1, i)];
}

void unpack_NVFP4(const void* row, int64_t group, Unpacked& u) {
  auto [block, index] = find_group(row, group, kNvValues, kNvBytes);
  for (int half = 0; half < 2; ++half) {
    const uint8_t* bytes = block + 4 + 8 * (2 * index + half);
    u.scale[half] = half_e4m3(block[2 * index + half]);
    for (int j = 0; j < 16; ++j) u.code[16 * half + j] = kE2m1Doubled[j < 8 ? bytes[j] & 15 : bytes[j - 8] >> 4];
  }
}

}  // namespace galago
