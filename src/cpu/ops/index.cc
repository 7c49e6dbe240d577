// Ops that address rows by number: gather, scatter, kv_append. Numbers come from requests, so they are checked.
#include <cstring>

#include "cpu/ops/common.h"
#include "tensor/half.h"

namespace galago::cpu {
namespace {

void check_id(const OpCall& c, int64_t id, int64_t n) {
  if (id < 0 || id >= n) throw invalid_input("{}: found id {}, expected 0..{}", info(c.node.op).name, id, n - 1);
}

// ---- gather
// ----------------------------------------------------------------------------------------------------------------

struct Table {
  int64_t n, width, bytes;  // rows; values and bytes a row
  explicit Table(const Tensor& t) : n(t.shape()[0]) {
    width = n == 0 ? 0 : t.elements() / n;
    bytes = n == 0 ? 0 : static_cast<int64_t>(t.n_bytes()) / n;
  }
};

void gather_scalar(const OpCall& c) {
  const Tensor& table = c.in[0];
  Table t(table);
  size_t value_bytes = 4;  // of the output: f32 or i32
  for (int64_t i = 0; i < c.in[1].elements(); ++i) {
    int64_t id = i32(c.in[1])[i];
    check_id(c, id, t.n);
    std::byte* row = c.out.bytes() + i * t.width * value_bytes;
    if (table.dtype() == c.out.dtype())
      std::memcpy(row, table.bytes() + id * t.bytes, t.bytes);
    else
      info(table.dtype()).decode(table.bytes() + id * t.bytes, reinterpret_cast<float*>(row), t.width);
  }
}

void gather_fast(const OpCall& c) {
  const Tensor& table = c.in[0];
  Table t(table);
  const int32_t* ids = i32(c.in[1]);
  for (int64_t i = 0; i < c.in[1].elements(); ++i) check_id(c, ids[i], t.n);
  for_rows(c.pool, c.in[1].elements(), t.width, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const std::byte* from = table.bytes() + ids[i] * t.bytes;
      auto* to = reinterpret_cast<float*>(c.out.bytes()) + i * t.width;
      if (table.dtype() == c.out.dtype())
        std::memcpy(to, from, t.bytes);
      else if (table.dtype() == DType::F16)
        kernels().f16_to_f32(reinterpret_cast<const uint16_t*>(from), to, t.width);
      else if (table.dtype() == DType::BF16)
        kernels().bf16_to_f32(reinterpret_cast<const uint16_t*>(from), to, t.width);
      else
        info(table.dtype()).decode(from, to, t.width);
    }
  });
}

// ---- scatter
// ---------------------------------------------------------------------------------------------------------------

void scatter(const OpCall& c) {
  const Tensor &base = c.in[0], &rows = c.in[1];
  if (c.out.bytes() != base.bytes() && base.elements() > 0) std::memcpy(c.out.bytes(), base.bytes(), base.n_bytes());
  Table t(base);
  for (int64_t i = 0; i < c.in[2].elements(); ++i) {
    int64_t id = i32(c.in[2])[i];
    if (id == -1) continue;  // padding
    check_id(c, id, t.n);
    if (t.bytes > 0) std::memcpy(c.out.bytes() + id * t.bytes, rows.bytes() + i * t.bytes, t.bytes);
  }
}

// ---- kv_append
// -------------------------------------------------------------------------------------------------------------

// body(state row, values): for every new row, where it goes in the state (a row is everything after axis 1).
template <class Body>
void for_new_rows(const OpCall& c, Body body) {
  const Shape &state = c.in[0].shape(), &rows = c.in[1].shape();
  int64_t past = i32(c.in[2])[0], length = rows[1];
  if (past < 0 || past + length > state[1])
    throw invalid_input("kv_append: {} rows at position {} do not fit the {} rows of the cache", length, past,
                        state[1]);
  int64_t width = 1;
  for (int axis = 2; axis < state.rank(); ++axis) width *= state[axis];
  for (int64_t batch = 0; batch < rows[0]; ++batch)
    body((batch * state[1] + past) * width, f32(c.in[1]) + batch * length * width, length * width);
}

void require_cache_format(const OpCall& c) {
  DType type = c.in[0].dtype();
  if (type != DType::F32 && type != DType::F16 && type != DType::Q8_0)
    throw unsupported("kv_append: the cache is {}, expected f32, f16 or q8_0", info(type).name);
}

// Heads are whole blocks, so a block depends on one token only, however long the pieces of the prompt are.
void append_q8(const Tensor& state, int64_t at, const float* x, int64_t n) {
  info(DType::Q8_0).encode(x, state.bytes() + row_bytes(DType::Q8_0, at), n, nullptr);
}

void kv_append_scalar(const OpCall& c) {
  require_cache_format(c);
  for_new_rows(c, [&](int64_t at, const float* x, int64_t n) {
    if (c.in[0].dtype() == DType::Q8_0) return append_q8(c.in[0], at, x, n);
    for (int64_t i = 0; i < n; ++i) {
      if (c.in[0].dtype() == DType::F32)
        f32(c.in[0])[at + i] = x[i];
      else
        reinterpret_cast<uint16_t*>(c.in[0].bytes())[at + i] = f32_to_f16(x[i]);
    }
  });
}

void kv_append_fast(const OpCall& c) {
  require_cache_format(c);
  const DType type = c.in[0].dtype();
  for_new_rows(c, [&](int64_t first, const float* values, int64_t n) {
    constexpr int64_t kBlock = 32;
    for_rows(c.pool, (n + kBlock - 1) / kBlock, kBlock, [&](int64_t begin, int64_t end) {
      const int64_t at = first + begin * kBlock, count = std::min(n, end * kBlock) - begin * kBlock;
      const float* x = values + begin * kBlock;
      std::byte* to = c.in[0].bytes() + row_bytes(type, at);
      if (type == DType::Q8_0)
        kernels().f32_to_q8_0(x, reinterpret_cast<uint8_t*>(to), count);
      else if (type == DType::F16)
        kernels().f32_to_f16(x, reinterpret_cast<uint16_t*>(to), count);
      else
        std::memcpy(to, x, count * sizeof(float));
    });
  });
}

}  // namespace

CpuOp make_Gather() { return {.scalar = gather_scalar, .fast = gather_fast}; }
CpuOp make_Scatter() { return {.scalar = scatter, .fast = scatter, .in_place = true}; }
CpuOp make_KvAppend() { return {.scalar = kv_append_scalar, .fast = kv_append_fast, .writes_state = true}; }

}  // namespace galago::cpu
