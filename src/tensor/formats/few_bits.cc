// Formats of one or two bits a value for models trained with such weights (ggml); only read.
//   Q1_0   128 values in 18 bytes: f16 d; u8 bits[16].                   value = +d or -d
//   Q2_0    64 values in 18 bytes: f16 d; u8 codes[16], four in a byte.  value = (q - 1) * d
//   TQ2_0  256 values in 66 bytes: u8 crumbs[64]; f16 d.                 value = (q - 1) * d
//   TQ1_0  256 values in 54 bytes: u8 a[32]; u8 b[16]; u8 c[4]; f16 d.   value = (q - 1) * d
// TQ1_0 has five base-3 digits in a byte, as the fraction byte / 256: multiplying by 3 shifts the next digit out.
// The values are the first digits of a, their second ones and so on to the fifth; those of b; the first four of c.
#include "tensor/formats/codec.h"

namespace galago {
namespace {

int ternary_digit(int byte, int digit) {
  constexpr int kPowers[5] = {1, 3, 9, 27, 81};
  return ((byte * kPowers[digit]) & 255) * 3 >> 8;
}

int tq1_code(const uint8_t* block, int n) {
  if (n < 160) return ternary_digit(block[n % 32], n / 32);
  if (n < 240) return ternary_digit(block[32 + (n - 160) % 16], (n - 160) / 16);
  return ternary_digit(block[48 + (n - 240) % 4], (n - 240) / 4);
}

}  // namespace

void unpack_Q1_0(const void* row, int64_t group, Unpacked& u) {
  auto [block, index] = find_group(row, group, 128, 18);
  set_scale(u, load_f16(block));
  for (int i = 0; i < kGroupValues; ++i) u.code[i] = (block[2 + 4 * index + i / 8] >> (i % 8)) & 1 ? 1 : -1;
}

void unpack_Q2_0(const void* row, int64_t group, Unpacked& u) {
  auto [block, index] = find_group(row, group, 64, 18);
  set_scale(u, load_f16(block));
  for (int i = 0; i < kGroupValues; ++i)
    u.code[i] = static_cast<int8_t>(((block[2 + 8 * index + i / 4] >> (2 * (i % 4))) & 3) - 1);
}

void unpack_TQ2_0(const void* row, int64_t group, Unpacked& u) {
  auto [block, index] = find_group(row, group, 256, 66);
  set_scale(u, load_f16(block + 64));
  for (int i = 0; i < kGroupValues; ++i)
    u.code[i] = static_cast<int8_t>(get_crumb(block, kGroupValues * index + i) - 1);
}

void unpack_TQ1_0(const void* row, int64_t group, Unpacked& u) {
  auto [block, index] = find_group(row, group, 256, 54);
  set_scale(u, load_f16(block + 52));
  for (int i = 0; i < kGroupValues; ++i) u.code[i] = static_cast<int8_t>(tq1_code(block, kGroupValues * index + i) - 1);
}

}  // namespace galago
