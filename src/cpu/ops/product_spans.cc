// Integer panels times u8 in spans of 256, for many rows (kernels/gemm_wide-inl.h): a thread takes 64 columns, rounds
// their weights once more, and walks the rows of x.
#include <algorithm>

#include "cpu/ops/product_forms.h"

namespace galago::cpu {
namespace {

constexpr int64_t kValuesAtOnce = 8192;  // of k: half a megabyte of requantized weights

size_t codes_bytes(int64_t rows, int64_t k) { return align64(static_cast<size_t>(rows * k)); }

size_t bytes(int64_t rows, int64_t k) {
  return codes_bytes(rows, k) + align64(sizeof(float) * static_cast<size_t>(rows * pieces(k, kWideSpan)));
}

size_t group_bytes(int64_t k) { return align64(static_cast<size_t>(wide_expanded_bytes(std::min(k, kValuesAtOnce)))); }

size_t scratch_bytes(PanelKind, int64_t, int64_t k, int n_threads) {
  return static_cast<size_t>(n_threads) * group_bytes(k);
}

void prepare(ThreadPool& pool, const float* x, int64_t rows, int64_t k, std::byte* form) {
  auto* u = reinterpret_cast<uint8_t*>(form);
  auto* scales = reinterpret_cast<float*>(form + codes_bytes(rows, k));
  for_rows(pool, rows, k, [&](int64_t begin, int64_t end) {
    kernels().quantize_wide({.x = x + begin * k,
                             .x_stride = k,
                             .rows = end - begin,
                             .k = k,
                             .u = u + begin * k,
                             .scales = scales + begin * pieces(k, kWideSpan)});
  });
}

void multiply(const Product& p, const std::byte* form) {
  const Panels& w = p.w;
  const auto* u = reinterpret_cast<const uint8_t*>(form);
  const auto* scales = reinterpret_cast<const float*>(form + codes_bytes(p.rows, w.k));
  const int64_t panels = n_panels(w.n), blocks = pieces(p.rows, kExpandedRowBlock), n_spans = pieces(w.k, kWideSpan);
  for_slots(p.pool, pieces(w.n, kWideColumns) * blocks, p.rows * w.n * w.k / 4, [&](int slot, int64_t item) {
    const int64_t column = item / blocks * kWideColumns, panel = column / kPanelRows,
                  row = item % blocks * kExpandedRowBlock;
    uint8_t* expanded = reinterpret_cast<uint8_t*>(p.scratch.data() + static_cast<size_t>(slot) * group_bytes(w.k));
    for (int64_t begin = 0; begin < w.k; begin += kValuesAtOnce) {
      const int64_t end = std::min(w.k, begin + kValuesAtOnce);
      kernels().expand_wide({.kind = w.kind,
                             .panels = packed_panel(w, panel),
                             .panel_bytes = w.panel_bytes,
                             .n_panels = std::min(panels - panel, kGroupPanels),
                             .begin = begin,
                             .end = end,
                             .expanded = expanded});
      kernels().gemm_wide({.u = u + row * w.k,
                           .scales = scales + row * n_spans,
                           .rows = std::min(p.rows - row, kExpandedRowBlock),
                           .k = w.k,
                           .begin = begin,
                           .end = end,
                           .expanded = expanded,
                           .n = std::min<int64_t>(w.n - column, kWideColumns),
                           .y = p.y + row * w.n + column,
                           .y_stride = w.n,
                           .bias = bias_at(p, column)});
    }
  });
}

}  // namespace

const ActForm kSpansForm = {bytes, scratch_bytes, prepare, multiply};

}  // namespace galago::cpu
