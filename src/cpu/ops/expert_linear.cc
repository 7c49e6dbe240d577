// expert_linear: y[t, s] = w[expert[t, s]] x[t, s] (or x[t, 0]), one matrix an expert.
// Fast: slots are sorted by expert, their rows gathered, and each expert multiplies its rows at once.
#include <algorithm>
#include <cstring>

#include "cpu/ops/common.h"
#include "cpu/ops/panels.h"

namespace galago::cpu {
namespace {

struct Sizes {
  int64_t experts, n, k, slots, x_share;  // x_share: slots that read the same row of x

  explicit Sizes(std::span<const Tensor> in) {
    const Shape &x = in[0].shape(), &w = in[1].shape(), &expert = in[2].shape();
    experts = w[0], n = w[1], k = w[2];
    slots = expert[0] * expert[1];
    x_share = x[1] == expert[1] ? 1 : expert[1];
  }
};

int64_t checked_expert(const OpCall& call, int64_t slot, int64_t experts) {
  const int32_t expert = i32(call.in[2])[slot];
  if (expert < 0 || expert >= experts)
    throw invalid_input("expert_linear: expert {} of slot {} is outside 0..{}", expert, slot, experts - 1);
  return expert;
}

// scratch: slots in order of their expert; where each expert begins; their rows of x and y; the product's own
struct Scratch {
  int64_t *order, *begin;
  float *x, *y;
  std::span<std::byte> product;
  size_t bytes;

  Scratch(const Sizes& s, DType dtype, int n_threads, std::span<std::byte> memory) {
    size_t at = 0;
    auto take = [&](int64_t n, size_t size) {
      std::byte* place = memory.empty() ? nullptr : memory.data() + at;  // empty: only the size is asked for
      at += align64(static_cast<size_t>(n) * size);
      return place;
    };
    order = reinterpret_cast<int64_t*>(take(s.slots, 8));
    begin = reinterpret_cast<int64_t*>(take(s.experts + 1, 8));
    x = reinterpret_cast<float*>(take(std::max<int64_t>(s.slots, 1) * s.k, 4));
    y = reinterpret_cast<float*>(take(s.slots * s.n, 4));
    size_t product_bytes = product_scratch(dtype, s.slots, s.k, n_threads);
    if (!memory.empty()) product = {memory.data() + at, product_bytes};
    bytes = at + product_bytes;
  }
};

size_t scratch_bytes(const Node&, std::span<const Tensor> in, int n_threads) {
  return Scratch(Sizes(in), in[1].dtype(), n_threads, {}).bytes;
}

void scalar(const OpCall& call) {
  Sizes s(call.in);
  float* w = Scratch(s, call.in[1].dtype(), call.pool.size(), call.scratch).x;  // room for one row of w
  const size_t row_bytes = call.in[1].row_bytes();
  for (int64_t slot = 0; slot < s.slots; ++slot) {
    const int64_t expert = checked_expert(call, slot, s.experts);
    const float* x = f32(call.in[0]) + slot / s.x_share * s.k;
    for (int64_t o = 0; o < s.n; ++o) {
      info(call.in[1].dtype()).decode(call.in[1].bytes() + (expert * s.n + o) * row_bytes, w, s.k);
      double sum = 0;
      for (int64_t i = 0; i < s.k; ++i) sum += static_cast<double>(x[i]) * w[i];
      f32(call.out)[slot * s.n + o] = static_cast<float>(sum);
    }
  }
}

// Counting sort. Afterwards the slots of expert e are order[begin[e]] .. order[begin[e + 1] - 1].
void sort_slots(const OpCall& call, const Sizes& s, const Scratch& m) {
  std::fill_n(m.begin, s.experts + 1, 0);
  for (int64_t slot = 0; slot < s.slots; ++slot) ++m.begin[checked_expert(call, slot, s.experts)];
  int64_t sum = 0;
  for (int64_t e = 0; e <= s.experts; ++e) m.begin[e] = sum += m.begin[e];  // the end of each expert
  for (int64_t slot = s.slots - 1; slot >= 0; --slot) m.order[--m.begin[i32(call.in[2])[slot]]] = slot;
}

void fast(const OpCall& call) {
  if (call.packed.elements() == 0) return scalar(call);
  Sizes s(call.in);
  Scratch m(s, call.in[1].dtype(), call.pool.size(), call.scratch);
  sort_slots(call, s, m);
  for (int64_t i = 0; i < s.slots; ++i)
    std::memcpy(m.x + i * s.k, f32(call.in[0]) + m.order[i] / s.x_share * s.k, sizeof(float) * s.k);
  for (int64_t e = 0; e < s.experts; ++e) {
    const int64_t first = m.begin[e], rows = m.begin[e + 1] - first;
    Panels w = packed_matrix(call.packed, call.in[1].dtype(), s.n, s.k, e);
    multiply(call.pool, w, m.x + first * s.k, rows, nullptr, call.exact, m.y + first * s.n, m.product);
  }
  for (int64_t i = 0; i < s.slots; ++i)
    std::memcpy(f32(call.out) + m.order[i] * s.n, m.y + i * s.n, sizeof(float) * s.n);
}

Tensor pack(const Node&, const Weight& weight) { return packed_weight(weight); }

}  // namespace

CpuOp make_ExpertLinear() { return {.scalar = scalar, .fast = fast, .scratch_bytes = scratch_bytes, .pack = pack}; }

}  // namespace galago::cpu
