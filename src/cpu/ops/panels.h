// Weights as panels (layouts: cpu/kernels/calls.h) and the product y = x w^T + bias on the pool. Shared by linear,
// matmul, expert_linear and the convolutions.
#pragma once

#include <span>

#include "base/thread_pool.h"
#include "cpu/kernels/kernels.h"
#include "tensor/tensor.h"

namespace galago::cpu {

// A packed matrix [n, k].
struct Panels {
  PanelKind kind = PanelKind::F32;
  const std::byte* data = nullptr;
  int64_t panel_bytes = 0;
  int64_t n = 0, k = 0;

  bool integer() const { return kind >= PanelKind::Byte128; }
};

PanelKind panel_kind(DType dtype);  // throws Unsupported for formats that hold no weights
int64_t panel_bytes(PanelKind kind, int64_t k);
inline int64_t n_panels(int64_t n) { return (n + kPanelRows - 1) / kPanelRows; }

// weight [n, k] or [E, n, k] -> U8 bytes, E matrices of ceil(n / 16) panels; undefined if the weight is empty.
Tensor pack_weight(const Tensor& weight);
Panels packed_matrix(const Tensor& packed, DType dtype, int64_t n, int64_t k, int64_t index = 0);

// Floats into F32 panels: row i of the matrix begins at i * row_stride, its steps of k lie k_stride apart.
void pack_floats(const float* matrix, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, float* panels);

// y[rows, w.n] = x[rows, w.k] w^T + bias; bias may be null. scratch: product_scratch bytes, 64-byte aligned.
size_t product_scratch(DType dtype, int64_t rows, int64_t k);
void multiply(ThreadPool& pool, const Panels& w, const float* x, int64_t rows, const float* bias, float* y,
              std::span<std::byte> scratch);

// Multiply-adds worth a thread: about 3 us of f32 products, what waking a worker costs.
constexpr int64_t kGrainProducts = 1 << 17;
inline int64_t product_grain(int64_t products_an_item) {
  return std::max<int64_t>(1, kGrainProducts / std::max<int64_t>(products_an_item, 1));
}

inline size_t align64(size_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace galago::cpu
