// Products with packed weights: which form of x (product_forms.h) suits the weights and the number of rows, and the
// product of floats, which reads x as it is.
#include <algorithm>

#include "cpu/ops/product_forms.h"

namespace galago::cpu {
namespace {

constexpr int64_t kFloatRowBlock = 96;  // rows an item of work takes: a multiple of every tile height
constexpr int64_t kLeastSpanRows = 48;  // requantizing costs as much as about ten rows of the product
constexpr int64_t kLeastPairRows = 12;  // pairing weights: as about two

void multiply_floats(const Product& p, const float* x) {
  const Panels& w = p.w;
  const int64_t columns = kGroupPanels * kPanelRows, blocks = pieces(p.rows, kFloatRowBlock);
  const int64_t item = columns * std::min(p.rows, kFloatRowBlock) * w.k;
  p.pool.parallel_for(pieces(w.n, columns) * blocks, product_grain(item), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t column = i / blocks * columns, row = i % blocks * kFloatRowBlock;
      kernels().gemm({.x = x + row * w.k,
                      .x_stride = w.k,
                      .x_step = 1,
                      .rows = std::min(p.rows - row, kFloatRowBlock),
                      .k = w.k,
                      .kind = w.kind,
                      .panels = packed_panel(w, column / kPanelRows),
                      .panel_stride = w.k * kPanelRows,
                      .n = std::min(w.n - column, columns),
                      .y = p.y + row * w.n + column,
                      .y_stride = w.n,
                      .bias = bias_at(p, column)});
    }
  });
}

// Null: x is read as it is.
const ActForm* form_of(PanelKind kind, int64_t rows, bool exact) {
  if (is_integer(kind)) return !exact && rows >= kLeastSpanRows && kernels().gemm_wide ? &kSpansForm : &kBlocksForm;
  return kind == PanelKind::BF16 && !exact && rows >= kLeastPairRows && kernels().pair_row ? &kPairsForm : nullptr;
}

// function(form) of every form that the number of rows may get: expert_linear shares them between experts.
template <class Size>
size_t most(DType dtype, int64_t rows, Size size) {
  const PanelKind kind = panel_kind(dtype);
  size_t bytes = 0;
  for (bool exact : {false, true})
    for (int64_t few : {rows, std::min(rows, kLeastSpanRows - 1)})
      if (const ActForm* form = form_of(kind, few, exact)) bytes = std::max(bytes, size(*form, kind));
  return bytes;
}

}  // namespace

size_t prepared_bytes(DType dtype, int64_t rows, int64_t k) {
  return most(dtype, rows, [=](const ActForm& form, PanelKind) { return form.bytes(rows, k); });
}

size_t prepared_product_scratch(DType dtype, int64_t rows, int64_t k, int n_threads) {
  return most(dtype, rows, [=](const ActForm& f, PanelKind kind) { return f.scratch_bytes(kind, rows, k, n_threads); });
}

size_t product_scratch(DType dtype, int64_t rows, int64_t k, int n_threads) {
  return prepared_bytes(dtype, rows, k) + prepared_product_scratch(dtype, rows, k, n_threads);
}

void prepare(ThreadPool& pool, PanelKind kind, const float* x, int64_t rows, int64_t k, bool exact,
             std::span<std::byte> prepared) {
  if (const ActForm* form = form_of(kind, rows, exact)) form->prepare(pool, x, rows, k, prepared.data());
}

void multiply_prepared(ThreadPool& pool, const Panels& w, const float* x, std::span<const std::byte> prepared,
                       int64_t rows, const float* bias, bool exact, float* y, std::span<std::byte> scratch) {
  if (rows == 0 || w.n == 0) return;
  const Product product{pool, w, rows, bias, y, scratch};
  const ActForm* form = form_of(w.kind, rows, exact);
  form ? form->multiply(product, prepared.data()) : multiply_floats(product, x);
}

void multiply(ThreadPool& pool, const Panels& w, const float* x, int64_t rows, const float* bias, bool exact, float* y,
              std::span<std::byte> scratch) {
  if (rows == 0 || w.n == 0) return;
  const ActForm* form = form_of(w.kind, rows, exact);
  const std::span<std::byte> prepared = scratch.first(form ? form->bytes(rows, w.k) : 0);
  prepare(pool, w.kind, x, rows, w.k, exact, prepared);
  multiply_prepared(pool, w, x, prepared, rows, bias, exact, y, scratch.subspan(prepared.size()));
}

}  // namespace galago::cpu
