// Reductions: sum mean max over one axis, argmax and top_k over the last.
#include <limits>

#include "cpu/ops/common.h"

namespace galago::cpu {
namespace {

Around around(const OpCall& c) { return {c.in[0].shape(), c.node.attr<AxisAttrs>().axis}; }

void sum_scalar(const OpCall& c, bool mean) {
  Around a = around(c);
  for (int64_t o = 0; o < a.outer; ++o) {
    for (int64_t i = 0; i < a.inner; ++i) {
      double total = 0;
      for (int64_t j = 0; j < a.n; ++j) total += f32(c.in[0])[(o * a.n + j) * a.inner + i];
      f32(c.out)[o * a.inner + i] = static_cast<float>(mean ? total / static_cast<double>(a.n) : total);
    }
  }
}

float larger(float a, float b) { return a > b || a != a ? a : b; }  // NaN wins, as in torch

void max_scalar(const OpCall& c) {
  Around a = around(c);
  for (int64_t o = 0; o < a.outer; ++o) {
    for (int64_t i = 0; i < a.inner; ++i) {
      float most = -std::numeric_limits<float>::infinity();
      for (int64_t j = 0; j < a.n; ++j) most = larger(f32(c.in[0])[(o * a.n + j) * a.inner + i], most);
      f32(c.out)[o * a.inner + i] = most;
    }
  }
}

// Reduces the last axis row by row with `row(x, n)`; other axes by adding rows together, `into(x, y, n)`, in strips of
// columns that stay in the cache.
template <class Row, class Into>
void reduce_fast(const OpCall& c, float start, Row row, Into into) {
  Around a = around(c);
  const float* x = f32(c.in[0]);
  float* y = f32(c.out);
  if (a.inner == 1) {
    return for_rows(c.pool, a.outer, a.n, [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) y[o] = row(x + o * a.n, a.n);
    });
  }
  constexpr int64_t kStrip = 1024;
  int64_t strips = (a.inner + kStrip - 1) / kStrip;
  for_rows(c.pool, a.outer * strips, a.n * std::min(kStrip, a.inner), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t o = i / strips, first = i % strips * kStrip, n = std::min(kStrip, a.inner - first);
      float* sum = y + o * a.inner + first;
      std::fill_n(sum, n, start);
      for (int64_t j = 0; j < a.n; ++j) into(x + (o * a.n + j) * a.inner + first, sum, n);
    }
  });
}

void add_into(const float* x, float* y, int64_t n) { kernels().axpy(1.0f, x, y, n); }

void sum_fast(const OpCall& c) { reduce_fast(c, 0.0f, kernels().sum, add_into); }
void max_fast(const OpCall& c) {
  reduce_fast(c, -std::numeric_limits<float>::infinity(), kernels().max, kernels().max_into);
}
void mean_fast(const OpCall& c) {
  sum_fast(c);
  kernels().affine(f32(c.out), 1.0f / static_cast<float>(around(c).n), 0.0f, f32(c.out), c.out.elements());
}

// ---- argmax, top_k
// -----------------------------------------------------------------------------------------------------------

void argmax_rows(const OpCall& c, int64_t begin, int64_t end) {
  int64_t n = c.in[0].shape().last();
  for (int64_t row = begin; row < end; ++row) {
    const float* x = f32(c.in[0]) + row * n;
    i32(c.out)[row] = static_cast<int32_t>(std::max_element(x, x + n) - x);  // the first of equals
  }
}

void argmax_scalar(const OpCall& c) { argmax_rows(c, 0, c.out.elements()); }

// The largest value first, by vectors; then where it is.
void argmax_fast(const OpCall& c) {
  int64_t n = c.in[0].shape().last();
  for_rows(c.pool, c.out.elements(), n, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* x = f32(c.in[0]) + row * n;
      const float* found = std::find(x, x + n, kernels().max(x, n));
      if (found == x + n)
        argmax_rows(c, row, row + 1);  // NaN equals nothing
      else
        i32(c.out)[row] = static_cast<int32_t>(found - x);
    }
  });
}

void top_k_scalar(const OpCall& c) {
  int64_t n = c.in[0].shape().last();
  int k = c.node.attr<TopKAttrs>().k;
  for (int64_t row = 0; row < c.in[0].shape().rows(); ++row) {
    const float* x = f32(c.in[0]) + row * n;
    int32_t* best = i32(c.out) + row * k;
    for (int slot = 0; slot < k; ++slot) {
      int32_t next = -1;
      for (int32_t i = 0; i < n; ++i) {
        bool taken = std::find(best, best + slot, i) != best + slot;
        if (!taken && (next < 0 || x[i] > x[next])) next = i;
      }
      best[slot] = next;
    }
  }
}

// Keeps the best so far sorted; most values fail the first comparison.
void top_k_fast(const OpCall& c) {
  int64_t n = c.in[0].shape().last();
  int k = c.node.attr<TopKAttrs>().k;
  for_rows(c.pool, c.in[0].shape().rows(), n, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* x = f32(c.in[0]) + row * n;
      int32_t* best = i32(c.out) + row * k;
      int found = 0;
      for (int32_t i = 0; i < n; ++i) {
        if (found == k && !(x[i] > x[best[k - 1]])) continue;
        int slot = found < k ? found++ : k - 1;
        for (; slot > 0 && x[i] > x[best[slot - 1]]; --slot) best[slot] = best[slot - 1];
        best[slot] = i;
      }
    }
  });
}

}  // namespace

CpuOp make_Sum() {
  return {.scalar = [](const OpCall& c) { sum_scalar(c, false); }, .fast = sum_fast};
}
CpuOp make_Mean() {
  return {.scalar = [](const OpCall& c) { sum_scalar(c, true); }, .fast = mean_fast};
}
CpuOp make_Max() { return {.scalar = max_scalar, .fast = max_fast}; }
CpuOp make_Argmax() { return {.scalar = argmax_scalar, .fast = argmax_fast}; }
CpuOp make_TopK() { return {.scalar = top_k_scalar, .fast = top_k_fast}; }

}  // namespace galago::cpu
