// Integer dot products. A unit is the rows of a panel whose 32-bit sums fill one or two registers: 16 rows on AVX-512,
// 8 elsewhere. BytesU holds four codes of every row of a unit, IU one sum a row. Layout of panels: calls.h. Each level
// has the same functions, in a file of its own:
//   to_int8                    16 floats rounded to the nearest integers, ties to even; gives their sum
//   to_float, iu_set, -, iu_shift_left                                of sums
//   bytes_load, bytes_store, bytes_set, |, &, words_shift_..., look_up  of codes; shifts cross bytes, callers mask
//   dot_ready                  what dot_block wants in place of codes of 8 bits: code - 128 if kSignedBytes, else the
//   code dot_block<codes, from, to> dot products of vectors from .. to - 1 of a block of codes with the quads of q
#pragma once

namespace galago::cpu::GALAGO_ISA {
namespace {

typedef int32_t QuadBytes __attribute__((may_alias, aligned(4)));  // four int8 activations

// How large the codes of a format are; decides how many products may be added up in 16 bits before they are widened.
enum class Codes { Nibble, Bits5, Bits6, Byte };

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA

#if defined(GALAGO_ISA_AVX512)
#include "cpu/kernels/dot_avx512-inl.h"
#elif defined(GALAGO_ISA_AVX2)
#include "cpu/kernels/dot_avx2-inl.h"
#elif defined(GALAGO_ISA_NEON)
#include "cpu/kernels/dot_neon-inl.h"
#else
#include "cpu/kernels/dot_plain-inl.h"
#endif

namespace galago::cpu::GALAGO_ISA {
namespace {

using VU = Vec<kUnitRows>;
constexpr int kUnits = kPanelRows / kUnitRows;  // units of a panel
constexpr int kUnitBytes = 4 * kUnitRows;       // of a vector of codes

// dots[u][r][half]: the dot products of vectors kFrom .. kTo - 1 of kTileUnits units, whose codes lie unit_stride bytes apart,
// with kRows rows of x side by side.
#if !defined(GALAGO_DOT_UNITS)
template <Codes kCodes, int kFrom, int kTo, int kRows, int kHalves>
GALAGO_INLINE void dot_units(const uint8_t* codes, int64_t, const int8_t* q, int half, IU (&dots)[1][kRows][kHalves]) {
  BytesU w[8];
  GALAGO_UNROLL for (int j = kFrom; j < kTo; ++j) w[j] = bytes_load(codes + j * kUnitBytes);
#if defined(GALAGO_ROW_PAIRS)
  if constexpr (kRows >= 2) {
    GALAGO_UNROLL for (int r = 0; r < kRows; r += 2)
        dot_pair<kFrom, kTo>(w, q + r * kBlockValues, dots[0][r][half], dots[0][r + 1][half]);
    return;
  }
#endif
  GALAGO_UNROLL for (int r = 0; r < kRows; ++r) dots[0][r][half] =
      dot_block<kCodes, kFrom, kTo>(w, q + r * kBlockValues);
}
#endif

GALAGO_INLINE BytesU low_nibbles(const BytesU& a) { return a & bytes_set(15); }
GALAGO_INLINE BytesU high_nibbles(const BytesU& a) { return words_shift_right<4>(a) & bytes_set(15); }

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
