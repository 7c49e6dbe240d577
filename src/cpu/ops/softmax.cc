// softmax over one axis: e^(x - max) / sum. A row of -inf only gives NaN, as in torch.
#include <cmath>
#include <limits>

#include "cpu/ops/common.h"

namespace galago::cpu {
namespace {

// One line of n values that are `step` apart.
void softmax_line(const float* x, float* y, int64_t n, int64_t step) {
  double most = -std::numeric_limits<double>::infinity(), total = 0;
  for (int64_t i = 0; i < n; ++i) most = std::max<double>(most, x[i * step]);
  for (int64_t i = 0; i < n; ++i) total += std::exp(x[i * step] - most);
  for (int64_t i = 0; i < n; ++i) y[i * step] = static_cast<float>(std::exp(x[i * step] - most) / total);
}

void softmax_lines(const OpCall& c, const Around& a, int64_t begin, int64_t end) {
  for (int64_t line = begin; line < end; ++line) {
    int64_t at = line / a.inner * a.n * a.inner + line % a.inner;
    softmax_line(f32(c.in[0]) + at, f32(c.out) + at, a.n, a.inner);
  }
}

void softmax_scalar(const OpCall& c) {
  Around a(c.out.shape(), c.node.attr<AxisAttrs>().axis);
  softmax_lines(c, a, 0, a.outer * a.inner);
}

void softmax_fast(const OpCall& c) {
  Around a(c.out.shape(), c.node.attr<AxisAttrs>().axis);
  const float* x = f32(c.in[0]);
  float* y = f32(c.out);
  for_rows(c.pool, a.outer * a.inner, 6 * a.n, [&](int64_t begin, int64_t end) {
    if (a.inner != 1) return softmax_lines(c, a, begin, end);  // no model of ours does this on a long axis
    const Kernels& k = kernels();
    for (int64_t at = begin * a.n; at < end * a.n; at += a.n) {
      float total = k.exp_sum(x + at, k.max(x + at, a.n), y + at, a.n);
      k.affine(y + at, 1.0f / total, 0.0f, y + at, a.n);
    }
  });
}

}  // namespace

CpuOp make_Softmax() { return {.scalar = softmax_scalar, .fast = softmax_fast, .in_place = true}; }

}  // namespace galago::cpu
