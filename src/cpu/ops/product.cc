// Products with packed weights, shared by threads. Few rows (decoding): every thread takes neighbouring panels and
// reads them once. Many rows: a thread takes a group of panels that fits the second-level cache when expanded, expands
// it, and walks the rows of x.
#include <algorithm>

#include "cpu/ops/common.h"
#include "cpu/ops/panels.h"

namespace galago::cpu {
namespace {

constexpr int64_t kRows = kPanelRows;
constexpr int64_t kFloatRowBlock = 96;              // rows an item of work takes: a multiple of every tile height
constexpr int64_t kGroupPanels = 4;                 // panels a product takes together
constexpr int64_t kDirectRows = 4;                  // up to here expanding costs more than it saves
constexpr int64_t kExpandedRowBlock = 512;          // rows an expanded group is walked for: it then costs 1 % or less
constexpr int64_t kExpandedGroupBytes = 256 << 10;  // half of the smallest second-level cache in use
constexpr int64_t kLeastWideRows = 48;              // requantizing costs as much as about ten rows of the product
constexpr int64_t kWideValues = 8192;               // of k at once: half a megabyte of requantized weights

int64_t pieces(int64_t n, int64_t size) { return (n + size - 1) / size; }

void multiply_floats(ThreadPool& pool, const Panels& w, const float* x, int64_t rows, const float* bias, float* y) {
  const int64_t columns = kGroupPanels * kRows, blocks = pieces(rows, kFloatRowBlock);
  const int64_t item = columns * std::min(rows, kFloatRowBlock) * w.k;
  pool.parallel_for(pieces(w.n, columns) * blocks, product_grain(item), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t column = i / blocks * columns, row = i % blocks * kFloatRowBlock;
      kernels().gemm({.x = x + row * w.k,
                      .x_stride = w.k,
                      .x_step = 1,
                      .rows = std::min(rows - row, kFloatRowBlock),
                      .k = w.k,
                      .kind = w.kind,
                      .panels = w.data + column / kRows * w.panel_bytes,
                      .panel_stride = w.k * kRows,
                      .n = std::min(w.n - column, columns),
                      .y = y + row * w.n + column,
                      .y_stride = w.n,
                      .bias = bias ? bias + column : nullptr});
    }
  });
}

struct QuantizedRows {
  const int8_t* q;
  const ActBlock* blocks;
};

size_t codes_bytes(int64_t rows, int64_t k) { return align64(static_cast<size_t>(rows * k)); }

QuantizedRows quantized_rows(std::span<const std::byte> bytes, int64_t rows, int64_t k) {
  return {reinterpret_cast<const int8_t*>(bytes.data()),
          reinterpret_cast<const ActBlock*>(bytes.data() + codes_bytes(rows, k))};
}

// One product with quantized rows; pieces of it are kernel calls.
struct IntegerProduct {
  const Panels& w;
  QuantizedRows x;
  int64_t rows;
  const float* bias;
  float* y;

  // Panels panel .. last - 1, rows row .. row_end - 1; `data` is where the kernel finds the panels.
  Int8GemmCall call(int64_t panel, int64_t last, int64_t row, int64_t row_end, const uint8_t* data,
                    bool expanded) const {
    const int64_t column = panel * kRows;
    return {.q = x.q + row * w.k,
            .blocks = x.blocks + row * w.k / kBlockValues,
            .rows = row_end - row,
            .k = w.k,
            .kind = w.kind,
            .panels = data,
            .panel_bytes = w.panel_bytes,
            .n = std::min(w.n, last * kRows) - column,
            .y = y + row * w.n + column,
            .y_stride = w.n,
            .bias = bias ? bias + column : nullptr,
            .expanded = expanded};
  }
  const uint8_t* packed(int64_t panel) const {
    return reinterpret_cast<const uint8_t*>(w.data) + panel * w.panel_bytes;
  }
};

void multiply_few(ThreadPool& pool, const IntegerProduct& p) {
  const int64_t item = kRows * p.rows * p.w.k / 4;  // integer products are that much faster
  pool.parallel_for(n_panels(p.w.n), product_grain(item), [&](int64_t begin, int64_t end) {
    kernels().gemm_int8(p.call(begin, end, 0, p.rows, p.packed(begin), false));
  });
}

int64_t expanded_group(PanelKind kind, int64_t k) {
  return std::clamp<int64_t>(kExpandedGroupBytes / std::max<int64_t>(expanded_panel_bytes(kind, k), 1), 1,
                             kGroupPanels);
}

size_t expanded_group_bytes(PanelKind kind, int64_t k) {
  return align64(static_cast<size_t>(expanded_group(kind, k) * expanded_panel_bytes(kind, k)));
}

void multiply_many(ThreadPool& pool, const IntegerProduct& p, std::span<std::byte> scratch) {
  const Panels& w = p.w;
  const int64_t panels = n_panels(w.n), group = expanded_group(w.kind, w.k), blocks = pieces(p.rows, kExpandedRowBlock);
  const int64_t items = pieces(panels, group) * blocks;
  const size_t room = expanded_group_bytes(w.kind, w.k);
  for_slots(pool, items, p.rows * w.n * w.k / 4, [&](int slot, int64_t item) {
    const int64_t panel = item / blocks * group, last = std::min(panels, panel + group);
    const int64_t row = item % blocks * kExpandedRowBlock, row_end = std::min(p.rows, row + kExpandedRowBlock);
    uint8_t* expanded = reinterpret_cast<uint8_t*>(scratch.data() + static_cast<size_t>(slot) * room);
    kernels().expand_panels({.kind = w.kind,
                             .panels = p.packed(panel),
                             .panel_bytes = w.panel_bytes,
                             .n_panels = last - panel,
                             .k = w.k,
                             .expanded = expanded});
    kernels().gemm_int8(p.call(panel, last, row, row_end, expanded, true));
  });
}

// ---- coarser
// ------------------------------------------------------------------------------------------------------------

bool is_wide(int64_t rows, bool exact) { return !exact && rows >= kLeastWideRows && kernels().gemm_wide; }

struct WideRows {
  uint8_t* u;
  float* scales;
};

WideRows wide_rows(const std::byte* bytes, int64_t rows, int64_t k) {
  auto* u = reinterpret_cast<uint8_t*>(const_cast<std::byte*>(bytes));
  return {u, reinterpret_cast<float*>(u + codes_bytes(rows, k))};
}

void quantize_wide(ThreadPool& pool, const float* x, int64_t rows, int64_t k, std::span<std::byte> quantized) {
  const WideRows out = wide_rows(quantized.data(), rows, k);
  const int64_t n_spans = pieces(k, kWideSpan);
  for_rows(pool, rows, k, [&](int64_t begin, int64_t end) {
    kernels().quantize_wide({.x = x + begin * k,
                             .x_stride = k,
                             .rows = end - begin,
                             .k = k,
                             .u = out.u + begin * k,
                             .scales = out.scales + begin * n_spans});
  });
}

size_t wide_group_bytes(int64_t k) {
  return align64(static_cast<size_t>(wide_expanded_bytes(std::min(k, kWideValues))));
}

void multiply_wide(ThreadPool& pool, const IntegerProduct& p, const WideRows& x, std::span<std::byte> scratch) {
  const Panels& w = p.w;
  const int64_t panels = n_panels(w.n), blocks = pieces(p.rows, kExpandedRowBlock), n_spans = pieces(w.k, kWideSpan);
  for_slots(pool, pieces(w.n, kWideColumns) * blocks, p.rows * w.n * w.k / 4, [&](int slot, int64_t item) {
    const int64_t column = item / blocks * kWideColumns, panel = column / kRows,
                  row = item % blocks * kExpandedRowBlock;
    uint8_t* expanded = reinterpret_cast<uint8_t*>(scratch.data() + static_cast<size_t>(slot) * wide_group_bytes(w.k));
    for (int64_t begin = 0; begin < w.k; begin += kWideValues) {
      const int64_t end = std::min(w.k, begin + kWideValues);
      kernels().expand_wide({.kind = w.kind,
                             .panels = p.packed(panel),
                             .panel_bytes = w.panel_bytes,
                             .n_panels = std::min(panels - panel, kWideColumns / kRows),
                             .begin = begin,
                             .end = end,
                             .expanded = expanded});
      kernels().gemm_wide({.u = x.u + row * w.k,
                           .scales = x.scales + row * n_spans,
                           .rows = std::min(p.rows - row, kExpandedRowBlock),
                           .k = w.k,
                           .begin = begin,
                           .end = end,
                           .expanded = expanded,
                           .n = std::min<int64_t>(w.n - column, kWideColumns),
                           .y = p.y + row * w.n + column,
                           .y_stride = w.n,
                           .bias = p.bias ? p.bias + column : nullptr});
    }
  });
}

}  // namespace

size_t quantized_bytes(int64_t rows, int64_t k) {
  return codes_bytes(rows, k) + align64(sizeof(ActBlock) * static_cast<size_t>(rows * k / kBlockValues));
}

void quantize(ThreadPool& pool, const float* x, int64_t rows, int64_t k, bool exact, std::span<std::byte> quantized) {
  if (is_wide(rows, exact)) return quantize_wide(pool, x, rows, k, quantized);
  auto* q = reinterpret_cast<int8_t*>(quantized.data());
  auto* blocks = reinterpret_cast<ActBlock*>(quantized.data() + codes_bytes(rows, k));
  constexpr int64_t kCost = 8;  // a value costs about as much as eight integer products
  pool.parallel_for(pieces(rows, kActTile), product_grain(kCost * kActTile * k), [&](int64_t begin, int64_t end) {
    const int64_t row = begin * kActTile;
    kernels().quantize_rows({.x = x + row * k,
                             .x_stride = k,
                             .rows = std::min(end * kActTile, rows) - row,
                             .k = k,
                             .q = q + row * k,
                             .blocks = blocks + row * k / kBlockValues});
  });
}

size_t quantized_product_scratch(DType dtype, int64_t rows, int64_t k, int n_threads) {
  const PanelKind kind = panel_kind(dtype);
  if (!is_integer(kind) || rows <= kDirectRows) return 0;
  return static_cast<size_t>(n_threads) * std::max(expanded_group_bytes(kind, k), wide_group_bytes(k));
}

size_t product_scratch(DType dtype, int64_t rows, int64_t k, int n_threads) {
  if (!is_integer(panel_kind(dtype))) return 0;
  return quantized_bytes(rows, k) + quantized_product_scratch(dtype, rows, k, n_threads);
}

void multiply_quantized(ThreadPool& pool, const Panels& w, std::span<const std::byte> quantized, int64_t rows,
                        const float* bias, bool exact, float* y, std::span<std::byte> scratch) {
  if (rows == 0 || w.n == 0) return;
  const IntegerProduct product{w, quantized_rows(quantized, rows, w.k), rows, bias, y};
  if (is_wide(rows, exact)) return multiply_wide(pool, product, wide_rows(quantized.data(), rows, w.k), scratch);
  rows <= kDirectRows ? multiply_few(pool, product) : multiply_many(pool, product, scratch);
}

void multiply(ThreadPool& pool, const Panels& w, const float* x, int64_t rows, const float* bias, bool exact, float* y,
              std::span<std::byte> scratch) {
  if (rows == 0 || w.n == 0) return;
  if (!is_integer(w.kind)) return multiply_floats(pool, w, x, rows, bias, y);
  const std::span<std::byte> quantized = scratch.first(quantized_bytes(rows, w.k));
  quantize(pool, x, rows, w.k, exact, quantized);
  multiply_quantized(pool, w, quantized, rows, bias, exact, y, scratch.subspan(quantized.size()));
}

}  // namespace galago::cpu
