// Weights as panels (layouts: cpu/kernels/calls.h) and the product y = x w^T + bias on the pool. Shared by linear,
// matmul, expert_linear and the convolutions.
#pragma once

#include <span>

#include "base/thread_pool.h"
#include "cpu/kernels/kernels.h"
#include "graph/graph.h"

namespace galago::cpu {

// A packed matrix [n, k].
struct Panels {
  PanelKind kind = PanelKind::F32;
  const std::byte* data = nullptr;
  int64_t panel_bytes = 0;
  int64_t n = 0, k = 0;
};
inline bool is_integer(PanelKind kind) { return kind > PanelKind::BF16; }

PanelKind panel_kind(DType dtype);  // throws Unsupported for formats that hold no weights
int64_t panel_bytes(PanelKind kind, int64_t k);
int64_t expanded_panel_bytes(PanelKind kind, int64_t k);  // of an integer layout (ExpandCall)
inline int64_t n_panels(int64_t n) { return (n + kPanelRows - 1) / kPanelRows; }

// weight [n, k] or [E, n, k] -> U8 bytes, E matrices of ceil(n / 16) panels; undefined if the weight is empty.
Tensor pack_weight(const Tensor& weight);
int64_t packed_bytes(DType dtype, const Shape& shape);  // of that
// What the weight's file holds, or pack_weight. Throws InvalidInput if the file's is of another size.
Tensor packed_weight(const Weight& weight);
Panels packed_matrix(const Tensor& packed, DType dtype, int64_t n, int64_t k, int64_t index = 0);

// Floats into F32 panels: row i of the matrix begins at i * row_stride, its steps of k lie k_stride apart.
void pack_floats(const float* matrix, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, float* panels);

// y[rows, w.n] = x[rows, w.k] w^T + bias; bias may be null (product.cc). Integer panels multiply activations that are
// quantized first: in blocks of 32, with sums in the same order whatever rows and threads there are; or, unless
// `exact`, more coarsely where that is faster. BF16 panels multiply f32, or bf16 unless `exact`.
// scratch: product_scratch bytes, 64-byte aligned.
size_t product_scratch(DType dtype, int64_t rows, int64_t k, int n_threads);
void multiply(ThreadPool& pool, const Panels& w, const float* x, int64_t rows, const float* bias, bool exact, float* y,
              std::span<std::byte> scratch);

// The two halves of a product, for products that share their x and `exact`: x in another form, prepared_bytes bytes (0:
// x is read as it is), and the rest. Weights that are both integers or both not share the form.
size_t prepared_bytes(DType dtype, int64_t rows, int64_t k);
void prepare(ThreadPool& pool, PanelKind kind, const float* x, int64_t rows, int64_t k, bool exact,
             std::span<std::byte> prepared);
size_t prepared_product_scratch(DType dtype, int64_t rows, int64_t k, int n_threads);
void multiply_prepared(ThreadPool& pool, const Panels& w, const float* x, std::span<const std::byte> prepared,
                       int64_t rows, const float* bias, bool exact, float* y, std::span<std::byte> scratch);

inline size_t align64(size_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace galago::cpu
