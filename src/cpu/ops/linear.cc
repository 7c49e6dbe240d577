// linear: y[row, o] = sum_k x[row, k] w[o, k] + bias[o], w of any number format.
// Fast: the weight is packed into panels once. F32 and F16 weights multiply f32 activations in f32, and so do BF16
// weights, or bf16 activations where a processor multiplies these faster; block formats multiply activations rounded to
// int8 in blocks of 32 (error at most half a step, max|x| / 254, a value).
#include <algorithm>

#include "cpu/ops/common.h"
#include "cpu/ops/panels.h"

namespace galago::cpu {
namespace {

struct Sizes {
  int64_t rows, n, k;
};

Sizes sizes_of(std::span<const Tensor> in) {
  const int64_t n = in[1].shape()[0], k = in[1].shape()[1];
  int64_t rows = 1;
  for (int i = 0; i < in[0].shape().rank() - 1; ++i) rows *= in[0].shape()[i];
  return {rows, n, k};
}

const float* bias_of(const OpCall& call) { return call.in.size() > 2 ? f32(call.in[2]) : nullptr; }

size_t scratch_bytes(const Node&, std::span<const Tensor> in, int n_threads) {
  auto [rows, n, k] = sizes_of(in);
  size_t decoded_row = align64(sizeof(float) * static_cast<size_t>(k));
  return std::max(decoded_row, prepared_product_scratch(in[1].dtype(), rows, k, n_threads));
}

Prepared prepared_input(const Node&, std::span<const Tensor> in) {
  auto [rows, n, k] = sizes_of(in);
  if (in[1].elements() == 0) return {};
  return {prepared_bytes(in[1].dtype(), rows, k), is_integer(panel_kind(in[1].dtype()))};
}

void scalar(const OpCall& call) {
  auto [rows, n, k] = sizes_of(call.in);
  const float *x = f32(call.in[0]), *bias = bias_of(call);
  float *y = f32(call.out), *w = reinterpret_cast<float*>(call.scratch.data());
  for (int64_t o = 0; o < n; ++o) {
    info(call.in[1].dtype()).decode(call.in[1].bytes() + o * call.in[1].row_bytes(), w, k);
    for (int64_t row = 0; row < rows; ++row) {
      double sum = bias ? bias[o] : 0;
      for (int64_t i = 0; i < k; ++i) sum += static_cast<double>(x[row * k + i]) * w[i];
      y[row * n + o] = static_cast<float>(sum);
    }
  }
}

void fast(const OpCall& call) {
  if (call.packed.elements() == 0) return scalar(call);  // an empty weight, or one that the graph computes
  auto [rows, n, k] = sizes_of(call.in);
  Panels w = packed_matrix(call.packed, call.in[1].dtype(), n, k);
  const float* x = f32(call.in[0]);
  if (!call.is_prepared) prepare(call.pool, w.kind, x, rows, k, call.exact, call.prepared);
  multiply_prepared(call.pool, w, x, call.prepared, rows, bias_of(call), call.exact, f32(call.out), call.scratch);
}

Tensor pack(const Node&, const Weight& weight) { return packed_weight(weight); }

}  // namespace

CpuOp make_Linear() {
  return {.scalar = scalar, .fast = fast, .scratch_bytes = scratch_bytes, .prepared = prepared_input, .pack = pack};
}

}  // namespace galago::cpu
