// matmul: a [..., m, k] times b [..., k, n] (or [..., n, k] transposed), the leading dimensions equal or absent in b.
// Fast: every b becomes f32 panels in scratch, then the float product of linear.
#include <algorithm>

#include "cpu/ops/common.h"
#include "cpu/ops/panels.h"

namespace galago::cpu {
namespace {

struct Sizes {
  int64_t batch, batch_b, m, n, k;
  int64_t b_row, b_step;  // strides of b from column to column of the result, and along k

  Sizes(const Node& node, std::span<const Tensor> in) {
    const Shape &a = in[0].shape(), &b = in[1].shape();
    bool transposed = node.attr<MatmulAttrs>().transpose_b;
    m = a[-2], k = a[-1], n = b[transposed ? -2 : -1];
    batch = 1;
    for (int i = 0; i < a.rank() - 2; ++i) batch *= a[i];
    batch_b = b.rank() > 2 ? batch : 1;
    if (batch_b == 1) m *= batch, batch = 1;  // one b: all rows of a are one matrix
    b_row = transposed ? k : 1;
    b_step = transposed ? 1 : n;
  }
};

size_t scratch_bytes(const Node& node, std::span<const Tensor> in, int) {
  Sizes s(node, in);
  return sizeof(float) * static_cast<size_t>(s.batch_b * n_panels(s.n) * kPanelRows * s.k);
}

void scalar(const OpCall& call) {
  Sizes s(call.node, call.in);
  for (int64_t i = 0; i < s.batch; ++i) {
    const float *a = f32(call.in[0]) + i * s.m * s.k, *b = f32(call.in[1]) + i * s.n * s.k;
    float* y = f32(call.out) + i * s.m * s.n;
    for (int64_t row = 0; row < s.m; ++row)
      for (int64_t column = 0; column < s.n; ++column) {
        double sum = 0;
        for (int64_t j = 0; j < s.k; ++j)
          sum += static_cast<double>(a[row * s.k + j]) * b[column * s.b_row + j * s.b_step];
        y[row * s.n + column] = static_cast<float>(sum);
      }
  }
}

constexpr int64_t kRowBlock = 96, kColumnBlock = 4 * kPanelRows;

void pack_all(const OpCall& call, const Sizes& s, float* panels) {
  const int64_t per_matrix = n_panels(s.n), values = kPanelRows * s.k;
  call.pool.parallel_for(s.batch_b * per_matrix, product_grain(4 * values), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t column = i % per_matrix * kPanelRows;
      const float* b = f32(call.in[1]) + i / per_matrix * s.n * s.k + column * s.b_row;
      pack_floats(b, s.b_row, s.b_step, std::min<int64_t>(kPanelRows, s.n - column), s.k, panels + i * values);
    }
  });
}

void multiply_all(const OpCall& call, const Sizes& s, const float* panels) {
  const int64_t rows = (s.m + kRowBlock - 1) / kRowBlock, columns = (s.n + kColumnBlock - 1) / kColumnBlock;
  const int64_t item = std::min(s.m, kRowBlock) * std::min(s.n, kColumnBlock) * s.k;
  call.pool.parallel_for(s.batch * rows * columns, product_grain(item), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t matrix = i / (rows * columns), row = i % rows * kRowBlock;
      const int64_t column = i / rows % columns * kColumnBlock;
      kernels().gemm({.x = f32(call.in[0]) + (matrix * s.m + row) * s.k,
                      .x_stride = s.k,
                      .x_step = 1,
                      .rows = std::min(s.m - row, kRowBlock),
                      .k = s.k,
                      .panels = panels + (matrix * n_panels(s.n) * kPanelRows + column) * s.k,
                      .panel_stride = s.k * kPanelRows,
                      .n = std::min(s.n - column, kColumnBlock),
                      .y = f32(call.out) + (matrix * s.m + row) * s.n + column,
                      .y_stride = s.n});
    }
  });
}

void fast(const OpCall& call) {
  Sizes s(call.node, call.in);
  if (call.out.elements() == 0) return;
  float* panels = reinterpret_cast<float*>(call.scratch.data());
  pack_all(call, s, panels);
  multiply_all(call, s, panels);
}

}  // namespace

CpuOp make_Matmul() { return {.scalar = scalar, .fast = fast, .scratch_bytes = scratch_bytes}; }

}  // namespace galago::cpu
