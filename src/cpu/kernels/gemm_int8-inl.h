// Products of integer panels with quantized activations (layouts: calls.h). For each block of 32 values of k:
//   y[t, row] += act_scale[t] * (scale[row] * (dot(codes[row], q[t]) - offset * sum(q[t])) + bias[row] * sum(q[t]))
// A tile is a unit of rows of w times kRows rows of x; the codes of a block are unpacked once a tile, its float sums
// stay in registers, and they are added in the order of k whatever the tile: the same bits for any number of rows and
// threads. Many rows of x read a panel that was expanded before, so that unpacking is paid once for all of them.
#pragma once

namespace galago::cpu::GALAGO_ISA {
namespace {

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
GALAGO_INLINE VU add_dots(VU sum, const Factors<F>& w, const IU* dots, const ActBlock& x) {
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

// ---- few rows: panels as they are packed
// --------------------------------------------------------------------------------

// Units unit .. unit + kUnitsAtOnce - 1 of a panel times rows row .. row + kRows - 1 of x.
template <class F, int kRows, int kUnitsAtOnce, bool kPrefetch>
inline void direct_tile(const Int8GemmCall& c, const uint8_t* panel, int unit, int64_t row, int64_t column) {
  constexpr int kHalf = 8 / F::kHalves;
  VU sums[kUnitsAtOnce][kRows];
  GALAGO_UNROLL for (int u = 0; u < kUnitsAtOnce; ++u)
      GALAGO_UNROLL for (int r = 0; r < kRows; ++r) sums[u][r] = act_value(0);
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
      GALAGO_UNROLL for (int r = 0; r < kRows; ++r) {
        IU dots[F::kHalves];
        dots[0] = dot_block<F::kCodes, 0, kHalf>(w.codes, q + r * kBlockValues);
        if constexpr (F::kHalves == 2) dots[1] = dot_block<F::kCodes, kHalf, 8>(w.codes, q + r * kBlockValues);
        sums[u][r] = add_dots<F>(sums[u][r], w, dots, blocks[r]);
      }
    }
  }
  GALAGO_UNROLL for (int u = 0; u < kUnitsAtOnce; ++u)
      store_unit<kRows>(c, sums[u], row, column + (unit + u) * kUnitRows);
}

// Where a panel is one unit, its codes stay in registers for many rows and expanding them saves little.
constexpr int kDirectTile = kUnits == 1 ? kInt8Rows : 4;
int64_t k_direct_rows() { return kUnits == 1 ? 3 * kInt8Rows : kDirectTile; }

template <class F, int kRows>
void direct_rows(const Int8GemmCall& c, const uint8_t* panel, int64_t row, int64_t column) {
  if constexpr (kRows <= 2) return direct_tile<F, kRows, kUnits, true>(c, panel, 0, row, column);
  for (int unit = 0; unit < kUnits; ++unit) direct_tile<F, kRows, 1, kUnits == 1>(c, panel, unit, row, column);
}

// As many tiles of kRows rows as there are, then the rest with half as many.
template <class F, int kRows>
void direct_from(const Int8GemmCall& c, const uint8_t* panel, int64_t row, int64_t column) {
  for (; row + kRows <= c.rows; row += kRows) direct_rows<F, kRows>(c, panel, row, column);
  if constexpr (kRows > 1) direct_from<F, kRows / 2>(c, panel, row, column);
}

template <class F>
void gemm_direct(const Int8GemmCall& c) {
  for (int64_t column = 0; column < c.n; column += kPanelRows)
    direct_from<F, kDirectTile>(c, c.panels + column / kPanelRows * c.panel_bytes, 0, column);
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

// kTileUnits units, the first at `units`, times rows row .. row + kRows - 1 of x.
template <class F, int kRows>
inline void expanded_tile(const Int8GemmCall& c, const uint8_t* units, int64_t row, int64_t column) {
  using Block = Expanded<F>;
  constexpr int kHalf = 8 / F::kHalves;
  const int64_t n_blocks = c.k / kBlockValues, unit_bytes = n_blocks * Block::kBlockBytes;
  VU sums[kTileUnits][kRows];
  GALAGO_UNROLL for (int u = 0; u < kTileUnits; ++u)
      GALAGO_UNROLL for (int r = 0; r < kRows; ++r) sums[u][r] = act_value(0);
  const ActTile x = act_tile(c, row);
  for (int64_t b = 0; b < n_blocks; ++b, units += Block::kBlockBytes) {
    const int8_t* q = x.q + b * x.width * kBlockValues;
    const ActBlock* blocks = x.blocks + b * x.width;
    const uint8_t* codes = units + Block::kCodesAt;
    IU dots[kTileUnits][kRows][F::kHalves];
    dot_units<F::kCodes, 0, kHalf>(codes, unit_bytes, q, 0, dots);
    if constexpr (F::kHalves == 2) dot_units<F::kCodes, kHalf, 8>(codes, unit_bytes, q, 1, dots);
    GALAGO_UNROLL for (int u = 0; u < kTileUnits; ++u) {
      const Factors<F> factors = Block::factors(units + u * unit_bytes);
      GALAGO_UNROLL for (int r = 0; r < kRows; ++r) sums[u][r] = add_dots<F>(sums[u][r], factors, dots[u][r], blocks[r]);
    }
  }
  GALAGO_UNROLL for (int u = 0; u < kTileUnits; ++u) store_unit<kRows>(c, sums[u], row, column + u * kUnitRows);
}

// As many tiles of kRows rows as there are, then the rest with half as many. A tile of x meets all panels before the next.
template <class F, int kRows>
void expanded_from(const Int8GemmCall& c, int64_t row) {
  constexpr int64_t kColumns = kTileUnits * kUnitRows;
  const int64_t tile_bytes = kTileUnits * (c.k / kBlockValues) * Expanded<F>::kBlockBytes;
  for (; row + kRows <= c.rows; row += kRows)
    for (int64_t column = 0; column < c.n; column += kColumns)
      expanded_tile<F, kRows>(c, c.panels + column / kColumns * tile_bytes, row, column);
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
    if (c.expanded) return expanded_from<F, kInt8Rows>(c, 0);
    gemm_direct<F>(c);
  });
}

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
