// Integer panels times int8 in blocks of 32. Few rows (decoding): every thread takes neighbouring panels and reads them
// once. Many rows: a thread takes a group of panels that fits the second-level cache when expanded, expands it, and
// walks the rows of x.
#include <algorithm>

#include "cpu/ops/product_forms.h"

namespace galago::cpu {
namespace {

constexpr int64_t kRows = kPanelRows;
constexpr int64_t kExpandedGroupBytes = 256 << 10;  // half of the smallest second-level cache in use

size_t codes_bytes(int64_t rows, int64_t k) { return align64(static_cast<size_t>(rows * k)); }

size_t bytes(int64_t rows, int64_t k) {
  return codes_bytes(rows, k) + align64(sizeof(ActBlock) * static_cast<size_t>(rows * k / kBlockValues));
}

void prepare(ThreadPool& pool, const float* x, int64_t rows, int64_t k, std::byte* form) {
  auto* q = reinterpret_cast<int8_t*>(form);
  auto* blocks = reinterpret_cast<ActBlock*>(form + codes_bytes(rows, k));
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

// Panels panel .. last - 1, rows row .. row_end - 1; `data` is where the kernel finds the panels.
Int8GemmCall piece(const Product& p, const std::byte* form, int64_t panel, int64_t last, int64_t row, int64_t row_end,
                   const uint8_t* data, bool expanded) {
  const Panels& w = p.w;
  const int64_t column = panel * kRows;
  return {.q = reinterpret_cast<const int8_t*>(form) + row * w.k,
          .blocks = reinterpret_cast<const ActBlock*>(form + codes_bytes(p.rows, w.k)) + row * w.k / kBlockValues,
          .rows = row_end - row,
          .k = w.k,
          .kind = w.kind,
          .panels = data,
          .panel_bytes = w.panel_bytes,
          .n = std::min(w.n, last * kRows) - column,
          .y = p.y + row * w.n + column,
          .y_stride = w.n,
          .bias = bias_at(p, column),
          .expanded = expanded};
}

void multiply_few(const Product& p, const std::byte* form) {
  const int64_t item = kRows * p.rows * p.w.k / 4;  // integer products are that much faster
  p.pool.parallel_for(n_panels(p.w.n), product_grain(item), [&](int64_t begin, int64_t end) {
    kernels().gemm_int8(piece(p, form, begin, end, 0, p.rows, packed_panel(p.w, begin), false));
  });
}

int64_t group_panels(PanelKind kind, int64_t k) {
  return std::clamp<int64_t>(kExpandedGroupBytes / std::max<int64_t>(expanded_panel_bytes(kind, k), 1), 1,
                             kGroupPanels);
}

size_t group_bytes(PanelKind kind, int64_t k) {
  return align64(static_cast<size_t>(group_panels(kind, k) * expanded_panel_bytes(kind, k)));
}

void multiply_many(const Product& p, const std::byte* form) {
  const Panels& w = p.w;
  const int64_t panels = n_panels(w.n), group = group_panels(w.kind, w.k), blocks = pieces(p.rows, kExpandedRowBlock);
  const int64_t items = pieces(panels, group) * blocks;
  const size_t room = group_bytes(w.kind, w.k);
  for_slots(p.pool, items, p.rows * w.n * w.k / 4, [&](int slot, int64_t item) {
    const int64_t panel = item / blocks * group, last = std::min(panels, panel + group);
    const int64_t row = item % blocks * kExpandedRowBlock, row_end = std::min(p.rows, row + kExpandedRowBlock);
    uint8_t* expanded = reinterpret_cast<uint8_t*>(p.scratch.data() + static_cast<size_t>(slot) * room);
    kernels().expand_panels({.kind = w.kind,
                             .panels = packed_panel(w, panel),
                             .panel_bytes = w.panel_bytes,
                             .n_panels = last - panel,
                             .k = w.k,
                             .expanded = expanded});
    kernels().gemm_int8(piece(p, form, panel, last, row, row_end, expanded, true));
  });
}

size_t scratch_bytes(PanelKind kind, int64_t rows, int64_t k, int n_threads) {
  return rows <= kernels().direct_rows() ? 0 : static_cast<size_t>(n_threads) * group_bytes(kind, k);
}

void multiply(const Product& p, const std::byte* form) {
  p.rows <= kernels().direct_rows() ? multiply_few(p, form) : multiply_many(p, form);
}

}  // namespace

const ActForm kBlocksForm = {bytes, scratch_bytes, prepare, multiply};

}  // namespace galago::cpu
