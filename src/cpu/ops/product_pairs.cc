// BF16 panels times pairs of bf16, for many rows, where a level multiplies these faster than f32 (kernels/pairs-inl.h):
// a thread takes 64 columns, pairs their weights, and walks the rows of x.
#include <algorithm>

#include "cpu/ops/product_forms.h"

namespace galago::cpu {
namespace {

constexpr int64_t kColumns = kGroupPanels * kPanelRows;

int64_t n_pairs(int64_t k) { return pieces(k, 2); }

size_t bytes(int64_t rows, int64_t k) { return align64(sizeof(float) * static_cast<size_t>(rows * n_pairs(k))); }

size_t scratch_bytes(PanelKind, int64_t, int64_t k, int n_threads) {
  return static_cast<size_t>(n_threads) * bytes(kColumns, k);
}

void prepare(ThreadPool& pool, const float* x, int64_t rows, int64_t k, std::byte* form) {
  float* pairs = reinterpret_cast<float*>(form);
  for_rows(pool, rows, k, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) kernels().pair_row(x + row * k, k, pairs + row * n_pairs(k));
  });
}

void pair_panels(const Panels& w, int64_t panel, int64_t n, float* pairs) {
  for (int64_t i = 0; i < n; ++i)
    kernels().pair_panel(reinterpret_cast<const uint16_t*>(packed_panel(w, panel + i)), w.k,
                         pairs + i * n_pairs(w.k) * kPanelRows);
}

void multiply(const Product& p, const std::byte* form) {
  const Panels& w = p.w;
  const int64_t steps = n_pairs(w.k), blocks = pieces(p.rows, kExpandedRowBlock);
  for_slots(p.pool, pieces(w.n, kColumns) * blocks, p.rows * w.n * w.k / 2, [&](int slot, int64_t item) {
    const int64_t column = item / blocks * kColumns, n = std::min(w.n - column, kColumns);
    const int64_t row = item % blocks * kExpandedRowBlock;
    float* pairs = reinterpret_cast<float*>(p.scratch.data() + static_cast<size_t>(slot) * bytes(kColumns, w.k));
    pair_panels(w, column / kPanelRows, n_panels(n), pairs);
    kernels().gemm({.x = reinterpret_cast<const float*>(form) + row * steps,
                    .x_stride = steps,
                    .x_step = 1,
                    .rows = std::min(p.rows - row, kExpandedRowBlock),
                    .k = steps,
                    .kind = PanelKind::BF16Pairs,
                    .panels = pairs,
                    .panel_stride = steps * kPanelRows,
                    .n = n,
                    .y = p.y + row * w.n + column,
                    .y_stride = w.n,
                    .bias = bias_at(p, column)});
  });
}

}  // namespace

const ActForm kPairsForm = {bytes, scratch_bytes, prepare, multiply};

}  // namespace galago::cpu
