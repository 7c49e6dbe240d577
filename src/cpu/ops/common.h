// What the op files share: typed pointers, broadcasting, and how much work is worth a thread.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>

#include "base/error.h"
#include "cpu/kernels/kernels.h"
#include "cpu/op.h"

namespace galago::cpu {

// Multiply-adds worth a thread: about 3 us of f32 products, what waking a worker costs.
constexpr int64_t kGrainProducts = 1 << 17;
inline int64_t product_grain(int64_t products_an_item) {
  return std::max<int64_t>(1, kGrainProducts / std::max<int64_t>(products_an_item, 1));
}

// A loop over values is shared by threads in pieces of at least this many: about 5 us of simple arithmetic, several
// times what waking a worker costs.
constexpr int64_t kGrain = 16384;

// body(begin, end) over rows that cost `row_values` values each.
template <class Body>
void for_rows(ThreadPool& pool, int64_t rows, int64_t row_values, Body&& body) {
  pool.parallel_for(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(row_values, 1)), body);
}

// body(slot, item) for every item, each slot on one thread at a time, so that a slot may own a piece of scratch. Items
// are taken one by one in order. `products` multiply-adds in all decide whether threads pay.
template <class Body>
void for_slots(ThreadPool& pool, int64_t items, int64_t products, Body&& body) {
  const int64_t slots = products < kGrainProducts ? 1 : std::min<int64_t>(pool.size(), items);
  std::atomic<int64_t> next{0};
  pool.parallel_for(slots, 1, [&](int64_t begin, int64_t end) {
    for (int64_t slot = begin; slot < end; ++slot)
      for (int64_t item; (item = next.fetch_add(1)) < items;) body(static_cast<int>(slot), item);
  });
}

// An op of which the fast path is the scalar one (rare or cheap ops).
inline CpuOp simple_op(void (*run)(const OpCall&)) { return {.scalar = run, .fast = run}; }

inline float* f32(const Tensor& t) { return t.f32().data(); }
inline int32_t* i32(const Tensor& t) { return t.i32().data(); }

// The axes of a shape as (outer, n, inner) around one axis.
struct Around {
  int64_t outer = 1, n = 1, inner = 1;
  Around(const Shape& shape, int axis) : n(shape[axis]) {
    for (int i = 0; i < axis; ++i) outer *= shape[i];
    for (int i = axis + 1; i < shape.rank(); ++i) inner *= shape[i];
  }
};

using Strides = std::array<int64_t, Shape::kMaxRank>;

// In elements, for reading `in` as if it had the shape `out` (NumPy broadcasting): 0 along repeated axes.
inline Strides broadcast_strides(const Shape& in, const Shape& out) {
  Strides strides{};
  int64_t step = 1;
  for (int i = 1; i <= in.rank(); ++i) {
    strides[out.rank() - i] = in[-i] == 1 ? 0 : step;
    step *= in[-i];
  }
  return strides;
}

// Where the element with flat index `i` of `shape` lies in memory with these strides.
inline int64_t offset_of(int64_t i, const Shape& shape, const Strides& strides) {
  int64_t offset = 0;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    offset += i % shape[axis] * strides[axis];
    i /= shape[axis];
  }
  return offset;
}

}  // namespace galago::cpu
