// Ops that move values without computing: reshape permute slice concat expand pad cast.
#include <cmath>
#include <cstring>
#include <limits>

#include "cpu/ops/common.h"
#include "tensor/half.h"

namespace galago::cpu {
namespace {

// out[i0, i1, ...] = base[i0 * stride0 + i1 * stride1 + ...]: permute, slice, expand and the inside of pad are this.
// Strides are in elements of `unit` bytes; `to` may have gaps too (pad).
struct Move {
  Shape shape;
  Strides from_strides{}, to_strides{};
  const std::byte* from;
  std::byte* to;
  int64_t unit;
};

int64_t unit_of(const Tensor& t) {
  const DTypeInfo& type = info(t.dtype());
  if (type.quantized()) throw unsupported("rows of {} blocks cannot be cut or reordered; cast to f32 first", type.name);
  return type.block_bytes;
}

Strides dense_strides(const Shape& shape) {
  Strides strides{};
  int64_t step = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) strides[axis] = step, step *= shape[axis];
  return strides;
}

Move dense_move(const OpCall& c) {
  return {c.out.shape(), {}, dense_strides(c.out.shape()), c.in[0].bytes(), c.out.bytes(), unit_of(c.in[0])};
}

void move_scalar(const Move& m) {
  for (int64_t i = 0; i < m.shape.elements(); ++i)
    std::memcpy(m.to + offset_of(i, m.shape, m.to_strides) * m.unit,
                m.from + offset_of(i, m.shape, m.from_strides) * m.unit, m.unit);
}

// Axes that continue each other on both sides become one.
Move merged(const Move& m) {
  Move out = m;
  std::array<int64_t, Shape::kMaxRank> dims{};
  int rank = 0;
  for (int axis = 0; axis < m.shape.rank(); ++axis) {
    int64_t n = m.shape[axis], from = m.from_strides[axis], to = m.to_strides[axis];
    if (n == 1) continue;
    bool continues = rank > 0 && out.from_strides[rank - 1] == from * n && out.to_strides[rank - 1] == to * n;
    if (continues)
      dims[--rank] *= n;
    else
      dims[rank] = n;
    out.from_strides[rank] = from;
    out.to_strides[rank] = to;
    ++rank;
  }
  out.shape = Shape(std::span<const int64_t>(dims.data(), rank));
  return out;
}

template <class T>
void copy_line(const std::byte* from, int64_t from_stride, std::byte* to, int64_t to_stride, int64_t n) {
  auto* source = reinterpret_cast<const T*>(from);
  auto* target = reinterpret_cast<T*>(to);
  for (int64_t i = 0; i < n; ++i) target[i * to_stride] = source[i * from_stride];
}

void copy_strided(const Move& m, const std::byte* from, int64_t from_stride, std::byte* to, int64_t to_stride,
                  int64_t n) {
  switch (m.unit) {
    case 1:
      return copy_line<uint8_t>(from, from_stride, to, to_stride, n);
    case 2:
      return copy_line<uint16_t>(from, from_stride, to, to_stride, n);
    case 4:
      return copy_line<uint32_t>(from, from_stride, to, to_stride, n);
    case 8:
      return copy_line<uint64_t>(from, from_stride, to, to_stride, n);
    default:
      CHECK(false, "{} bytes", m.unit);
  }
}

// Lines along the last axis. Where that reads with a large stride (a transpose), lines are cut into pieces of 16 and
// the axis that is dense in `from` runs outside them, so that each cache line read is used whole.
void move_fast(const Move& given, ThreadPool& pool) {
  Move m = merged(given);
  if (m.shape.elements() == 0) return;
  if (m.shape.rank() == 0) return static_cast<void>(std::memcpy(m.to, m.from, m.unit));
  int last = m.shape.rank() - 1;
  int64_t n = m.shape[last], from_stride = m.from_strides[last], to_stride = m.to_strides[last];
  Shape lines = m.shape;
  lines[last] = 1;
  if (from_stride == 1 && to_stride == 1) {
    return for_rows(pool, lines.elements(), n, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        std::memcpy(m.to + offset_of(i, lines, m.to_strides) * m.unit,
                    m.from + offset_of(i, lines, m.from_strides) * m.unit, n * m.unit);
    });
  }
  int dense = last;
  for (int axis = 0; axis < last; ++axis)
    if (m.from_strides[axis] == 1) dense = axis;
  constexpr int64_t kTile = 16;
  int64_t tile = dense == last ? n : kTile, run = dense == last ? 1 : m.shape[dense];
  if (dense != last) lines[dense] = 1;
  int64_t tiles = (n + tile - 1) / tile;
  for_rows(pool, lines.elements() * tiles, tile * run, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t line = i / tiles, first = i % tiles * tile, count = std::min(tile, n - first);
      const std::byte* from = m.from + (offset_of(line, lines, m.from_strides) + first * from_stride) * m.unit;
      std::byte* to = m.to + (offset_of(line, lines, m.to_strides) + first * to_stride) * m.unit;
      for (int64_t j = 0; j < run; ++j)
        copy_strided(m, from + j * m.unit, from_stride, to + (dense == last ? 0 : j * m.to_strides[dense]) * m.unit,
                     to_stride, count);
    }
  });
}

// ---- permute, slice, expand, pad: each says only what to move
// --------------------------------------------------------------

Move permute_move(const OpCall& c) {
  Move m = dense_move(c);
  Strides in = dense_strides(c.in[0].shape());
  const auto& axes = c.node.attr<PermuteAttrs>().axes;
  for (size_t i = 0; i < axes.size(); ++i) m.from_strides[i] = in[axes[i]];
  return m;
}

Move slice_move(const OpCall& c) {
  const auto& a = c.node.attr<SliceAttrs>();
  Move m = dense_move(c);
  m.from_strides = dense_strides(c.in[0].shape());
  m.from += a.begin * m.from_strides[a.axis] * m.unit;
  m.from_strides[a.axis] *= a.step;
  return m;
}

Move expand_move(const OpCall& c) {
  Move m = dense_move(c);
  m.from_strides = broadcast_strides(c.in[0].shape(), c.out.shape());
  return m;
}

Move pad_move(const OpCall& c) {  // after the whole output is filled
  const auto& a = c.node.attr<PadAttrs>();
  Move m = dense_move(c);
  m.shape = c.in[0].shape();
  m.from_strides = dense_strides(m.shape);
  for (int axis = 0; axis < m.shape.rank(); ++axis) m.to += a.before[axis] * m.to_strides[axis] * m.unit;
  return m;
}

template <Move (*what)(const OpCall&)>
CpuOp make_move() {
  return {.scalar = [](const OpCall& c) { move_scalar(what(c)); },
          .fast = [](const OpCall& c) { move_fast(what(c), c.pool); }};
}

void pad_scalar(const OpCall& c) {
  std::fill_n(f32(c.out), c.out.elements(), c.node.attr<PadAttrs>().value);
  if (c.in[0].elements() > 0) move_scalar(pad_move(c));
}

void pad_fast(const OpCall& c) {
  std::fill_n(f32(c.out), c.out.elements(), c.node.attr<PadAttrs>().value);
  if (c.in[0].elements() > 0) move_fast(pad_move(c), c.pool);
}

// ---- concat
// ----------------------------------------------------------------------------------------------------------------

void concat(const OpCall& c) {
  int axis = c.node.attr<AxisAttrs>().axis;
  Around out(c.out.shape(), axis);
  int64_t unit = unit_of(c.out), step = out.n * out.inner * unit, at = 0;
  for (const Tensor& part : c.in) {
    int64_t length = part.shape()[axis] * out.inner * unit;
    for (int64_t i = 0; i < out.outer && length > 0; ++i)
      std::memcpy(c.out.bytes() + i * step + at, part.bytes() + i * length, length);
    at += length;
  }
}

// ---- cast
// ------------------------------------------------------------------------------------------------------------------

int32_t truncate(float x) {  // out of range: the nearest integer; NaN: 0
  if (std::isnan(x)) return 0;
  if (x >= 2147483648.0f) return std::numeric_limits<int32_t>::max();
  if (x < -2147483648.0f) return std::numeric_limits<int32_t>::min();
  return static_cast<int32_t>(x);
}

float value_at(const Tensor& t, int64_t i) {
  auto half = [&] { return reinterpret_cast<const uint16_t*>(t.bytes())[i]; };
  switch (t.dtype()) {
    case DType::F32:
      return f32(t)[i];
    case DType::F16:
      return f16_to_f32(half());
    case DType::BF16:
      return bf16_to_f32(half());
    default:
      return static_cast<float>(i32(t)[i]);
  }
}

void cast_range(const OpCall& c, int64_t begin, int64_t end) {
  const Tensor& x = c.in[0];
  auto* half = reinterpret_cast<uint16_t*>(c.out.bytes());
  for (int64_t i = begin; i < end; ++i) {
    switch (c.out.dtype()) {
      case DType::F32:
        f32(c.out)[i] = value_at(x, i);
        break;
      case DType::F16:
        half[i] = f32_to_f16(value_at(x, i));
        break;
      case DType::BF16:
        half[i] = f32_to_bf16(value_at(x, i));
        break;
      default:
        i32(c.out)[i] = x.dtype() == DType::I32 ? i32(x)[i] : truncate(value_at(x, i));
    }
  }
}

void cast_scalar(const OpCall& c) { cast_range(c, 0, c.out.elements()); }

void cast_fast(const OpCall& c) {
  DType from = c.in[0].dtype(), to = c.out.dtype();
  const auto* x = c.in[0].bytes();
  std::byte* y = c.out.bytes();
  auto half = [](auto* p) { return reinterpret_cast<const uint16_t*>(p); };
  const Kernels& k = kernels();
  c.pool.parallel_for(c.out.elements(), kGrain, [&](int64_t i, int64_t end) {
    int64_t n = end - i;
    if (from == DType::F16 && to == DType::F32)
      k.f16_to_f32(half(x) + i, f32(c.out) + i, n);
    else if (from == DType::BF16 && to == DType::F32)
      k.bf16_to_f32(half(x) + i, f32(c.out) + i, n);
    else if (from == DType::F32 && to == DType::F16)
      k.f32_to_f16(f32(c.in[0]) + i, reinterpret_cast<uint16_t*>(y) + i, n);
    else if (from == DType::F32 && to == DType::BF16)
      k.f32_to_bf16(f32(c.in[0]) + i, reinterpret_cast<uint16_t*>(y) + i, n);
    else
      cast_range(c, i, end);
  });
}

void reshape_never_runs(const OpCall&) { CHECK(false, "a view"); }

}  // namespace

CpuOp make_Reshape() { return {.scalar = reshape_never_runs, .fast = reshape_never_runs, .view = true}; }
CpuOp make_Permute() { return make_move<permute_move>(); }
CpuOp make_Slice() { return make_move<slice_move>(); }
CpuOp make_Expand() { return make_move<expand_move>(); }
CpuOp make_Pad() { return {.scalar = pad_scalar, .fast = pad_fast}; }
CpuOp make_Concat() { return simple_op(concat); }
CpuOp make_Cast() { return {.scalar = cast_scalar, .fast = cast_fast}; }

}  // namespace galago::cpu
