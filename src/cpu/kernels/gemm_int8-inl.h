// Products of integer panels with quantized activations (layouts: calls.h). For each block of 32 values of k:
//   y[t, row] += act_scale[t] * (scale[row] * (dot(codes[row], q[t]) - offset * sum(q[t])) + bias[row] * sum(q[t]))
// A tile is a unit of rows of w times kRows rows of x; the codes of a block are unpacked once a tile, its float sums
// stay in registers, and they are added in the order of k whatever the tile: the same bits for any number of rows and
// threads. Many rows of x read a panel that was expanded before, so that unpacking is paid once for all of them.
#pragma once

namespace galago::cpu::GALAGO_ISA {
namespace {

// Registers of a tile: kRows sums, eight vectors of codes, and room to multiply: 32 registers on AVX-512, 16 on AVX2.
#if defined(GALAGO_ISA_AVX512)
constexpr int kInt8Rows = 16;
#else
constexpr int kInt8Rows = 4;
#endif
constexpr int64_t kAhead = 4096;  // bytes: panels of a single row come from memory, which needs this much warning

GALAGO_INLINE VU act_value(float x) { return vec_set<kUnitRows>(x); }

// dot - offset * sum, where 8 * sum is at hand.
template <class F>
GALAGO_INLINE IU without_offset(const IU& dot, const IU& sum_x8) {
  if constexpr (F::kOffset == 0 || (F::kCodes == Codes::Byte && kSignedBytes)) return dot;
  if constexpr (F::kOffset == 8) return dot - sum_x8;
  return dot - iu_shift_left<__builtin_ctz(F::kOffset) - 3>(sum_x8);
}

// One block of w times one of x, from the dot products of the block or of its halves.
template <class F>
GALAGO_INLINE VU add_dots(VU sum, const UnitBlock<F>& w, const IU* dots, const ActBlock& x) {
  if constexpr (F::kHalves == 1) {
    const IU dot = without_offset<F>(dots[0], iu_set(x.sum_x8));
    sum = vec_fma(vec_mul(to_float(dot), act_value(x.scale)), w.scale[0], sum);
    if constexpr (F::kBias) sum = vec_fma(act_value(x.scaled_sum), w.bias[0], sum);
    return sum;
  } else {
    const IU low_x8 = iu_set(x.low_sum_x8), high_x8 = iu_set(x.sum_x8) - low_x8;
    const VU low = to_float(without_offset<F>(dots[0], low_x8)), high = to_float(without_offset<F>(dots[1], high_x8));
    VU block = vec_fma(low, w.scale[0], vec_mul(high, w.scale[1]));
    if constexpr (F::kBias) {
      const VU eighth = act_value(0.125f);
      block = vec_fma(vec_mul(to_float(low_x8), eighth), w.bias[0], block);
      block = vec_fma(vec_mul(to_float(high_x8), eighth), w.bias[1], block);
    }
    return vec_fma(block, act_value(x.scale), sum);
  }
}

// The same for kRows rows of x that lie side by side.
template <class F, int kRows>
GALAGO_INLINE void add_blocks(VU* sums, const UnitBlock<F>& w, const int8_t* q, const ActBlock* x) {
  constexpr int kHalf = 8 / F::kHalves;
#if defined(GALAGO_ROW_PAIRS)
  if constexpr (kRows >= 2) {
    GALAGO_UNROLL for (int r = 0; r < kRows; r += 2) {
      IU first[F::kHalves], second[F::kHalves];
      dot_pair<0, kHalf>(w.codes, q + r * kBlockValues, first[0], second[0]);
      if constexpr (F::kHalves == 2) dot_pair<kHalf, 8>(w.codes, q + r * kBlockValues, first[1], second[1]);
      sums[r] = add_dots<F>(sums[r], w, first, x[r]);
      sums[r + 1] = add_dots<F>(sums[r + 1], w, second, x[r + 1]);
    }
    return;
  }
#endif
  GALAGO_UNROLL for (int r = 0; r < kRows; ++r) {
    IU dots[F::kHalves];
    dots[0] = dot_block<F::kCodes, 0, kHalf>(w.codes, q + r * kBlockValues);
    if constexpr (F::kHalves == 2) dots[1] = dot_block<F::kCodes, kHalf, 8>(w.codes, q + r * kBlockValues);
    sums[r] = add_dots<F>(sums[r], w, dots, x[r]);
  }
}

struct ActTile {  // rows of one tile, from some row of it on
  const int8_t* q;
  const ActBlock* blocks;
  int64_t width;
};

GALAGO_INLINE ActTile act_tile(const Int8GemmCall& c, int64_t row) {
  const int64_t first = row / kActTile * kActTile, n_blocks = c.k / kBlockValues;
  const int64_t width = c.rows - first < kActTile ? c.rows - first : kActTile;
  return {c.q + first * c.k + (row - first) * kBlockValues, c.blocks + first * n_blocks + (row - first), width};
}

template <int kRows>
GALAGO_INLINE void store_unit(const Int8GemmCall& c, const VU* sums, int64_t row, int64_t column) {
  if (column >= c.n) return;
  const VU bias = c.bias ? vec_load_part<kUnitRows>(c.bias + column, c.n - column) : act_value(0);
  GALAGO_UNROLL for (int r = 0; r < kRows; ++r)
      vec_store_part(c.y + (row + r) * c.y_stride + column, vec_add(sums[r], bias), c.n - column);
}

// Units unit .. unit + kUnitsAtOnce - 1 of a panel times rows row .. row + kRows - 1 of x. F is a layout of calls.h, or
// Expanded<F> with `panel` at the blocks of the unit.
template <class F, int kRows, int kUnitsAtOnce, bool kPrefetch>
inline void int8_tile(const Int8GemmCall& c, const uint8_t* panel, int unit, int64_t row, int64_t column) {
  VU sums[kUnitsAtOnce][kRows];
  GALAGO_UNROLL for (int u = 0; u < kUnitsAtOnce; ++u) GALAGO_UNROLL for (int r = 0; r < kRows; ++r) sums[u][r] =
      act_value(0);
  const ActTile x = act_tile(c, row);
  const int64_t n_blocks = c.k / kBlockValues;
  for (int64_t b = 0; b < n_blocks; ++b) {
    if constexpr (kPrefetch)
      for (int64_t line = 0; line < F::kBlockBytes; line += 64)
        __builtin_prefetch(panel + b * F::kBlockBytes + line + kAhead);
    const int8_t* q = x.q + b * x.width * kBlockValues;
    const ActBlock* blocks = x.blocks + b * x.width;
    GALAGO_UNROLL for (int u = 0; u < kUnitsAtOnce; ++u) {
      UnitBlock<F> w;
      F::load(panel, b, unit + u, w);
      add_blocks<F, kRows>(sums[u], w, q, blocks);
    }
  }
  GALAGO_UNROLL for (int u = 0; u < kUnitsAtOnce; ++u)
      store_unit<kRows>(c, sums[u], row, column + (unit + u) * kUnitRows);
}

// ---- few rows: panels as they are packed
// --------------------------------------------------------------------------------

template <class F, int kRows>
void direct_rows(const Int8GemmCall& c, const uint8_t* panel, int64_t row, int64_t column) {
  if constexpr (kRows <= 2) return int8_tile<F, kRows, kUnits, true>(c, panel, 0, row, column);
  for (int unit = 0; unit < kUnits; ++unit) int8_tile<F, kRows, 1, false>(c, panel, unit, row, column);
}

template <class F>
void gemm_direct(const Int8GemmCall& c) {
  for (int64_t column = 0; column < c.n; column += kPanelRows) {
    const uint8_t* panel = c.panels + column / kPanelRows * c.panel_bytes;
    int64_t row = 0;
    for (; row + 4 <= c.rows; row += 4) direct_rows<F, 4>(c, panel, row, column);
    for (; row + 2 <= c.rows; row += 2) direct_rows<F, 2>(c, panel, row, column);
    if (row < c.rows) direct_rows<F, 1>(c, panel, row, column);
  }
}

// ---- many rows: expanded panels
// -----------------------------------------------------------------------------------------

template <class F>
void expand(const ExpandCall& c) {
  const int64_t n_blocks = c.k / kBlockValues;
  uint8_t* out = c.expanded;
  for (int64_t p = 0; p < c.n_panels; ++p)
    for (int unit = 0; unit < kUnits; ++unit, out += n_blocks * Expanded<F>::kBlockBytes)
      for (int64_t b = 0; b < n_blocks; ++b) {
        UnitBlock<F> w;
        F::load(c.panels + p * c.panel_bytes, b, unit, w);
        Expanded<F>::store(out, b, w);
      }
}

template <class F, int kRows>
void expanded_rows(const Int8GemmCall& c, int64_t row) {
  const int64_t unit_bytes = c.k / kBlockValues * F::kBlockBytes;
  const uint8_t* unit = c.panels;
  for (int64_t column = 0; column < c.n; column += kUnitRows, unit += unit_bytes)
    int8_tile<F, kRows, 1, false>(c, unit, 0, row, column);
}

// As many tiles of kRows rows as there are, then the rest with half as many.
template <class F, int kRows>
void expanded_from(const Int8GemmCall& c, int64_t row) {
  for (; row + kRows <= c.rows; row += kRows) expanded_rows<F, kRows>(c, row);
  if constexpr (kRows > 1) expanded_from<F, kRows / 2>(c, row);
}

// ---- by layout
// --------------------------------------------------------------------------------------------------------

template <class Function>
GALAGO_INLINE void with_format(PanelKind kind, Function function) {
  switch (kind) {
#define PANEL(name, group_values, group_bytes, expanded_factors) \
  case PanelKind::name:                                          \
    return function(name{});
#include "cpu/kernels/panels.def"
#undef PANEL
    default:
      __builtin_trap();
  }
}

void k_expand_panels(const ExpandCall& c) {
  with_format(c.kind, [&](auto format) GALAGO_LAMBDA_INLINE { expand<decltype(format)>(c); });
}

void k_gemm_int8(const Int8GemmCall& c) {
  with_format(c.kind, [&](auto format) GALAGO_LAMBDA_INLINE {
    using F = decltype(format);
    if (c.expanded) return expanded_from<Expanded<F>, kInt8Rows>(c, 0);
    gemm_direct<F>(c);
  });
}

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
