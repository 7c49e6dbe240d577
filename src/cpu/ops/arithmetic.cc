// Ops that treat every value alike: add sub mul div (broadcasting), affine, unary, glu, where, clamp.
#include <cmath>

#include "cpu/ops/common.h"

namespace galago::cpu {
namespace {

// ---- add, sub, mul, div
// -------------------------------------------------------------------------------------------------

float combine(BinaryKind kind, float a, float b) {
  switch (kind) {
    case BinaryKind::Add:
      return a + b;
    case BinaryKind::Sub:
      return a - b;
    case BinaryKind::Mul:
      return a * b;
    case BinaryKind::Div:
      return a / b;
  }
  return 0;
}

template <BinaryKind kind>
void binary_scalar(const OpCall& c) {
  const Shape& shape = c.out.shape();
  Strides a = broadcast_strides(c.in[0].shape(), shape), b = broadcast_strides(c.in[1].shape(), shape);
  for (int64_t i = 0; i < shape.elements(); ++i)
    f32(c.out)[i] = combine(kind, f32(c.in[0])[offset_of(i, shape, a)], f32(c.in[1])[offset_of(i, shape, b)]);
}

// The last axes along which each operand is either read value by value or stays one value: one kernel call a block.
struct Block {
  int64_t length = 1;
  int n_outer;  // axes outside the block
  bool one_a = false, one_b = false;

  Block(const Shape& shape, const Strides& a, const Strides& b) : n_outer(shape.rank()) {
    bool first = true;
    for (; n_outer > 0; --n_outer) {
      int axis = n_outer - 1;
      if (shape[axis] == 1) continue;
      bool still_a = a[axis] == 0, still_b = b[axis] == 0;
      if (!first && (still_a != one_a || still_b != one_b)) return;
      one_a = still_a, one_b = still_b, first = false;
      length *= shape[axis];
    }
  }
};

template <BinaryKind kind>
void binary_fast(const OpCall& c) {
  const Shape& shape = c.out.shape();
  Strides a = broadcast_strides(c.in[0].shape(), shape), b = broadcast_strides(c.in[1].shape(), shape);
  Block block(shape, a, b);
  const Kernels& k = kernels();
  const float *pa = f32(c.in[0]), *pb = f32(c.in[1]);
  float* y = f32(c.out);
  int64_t blocks = block.length == 0 ? 0 : shape.elements() / block.length;
  if (blocks == 1) {  // one long block is cut by values
    return for_rows(c.pool, block.length, 1, [&](int64_t begin, int64_t end) {
      k.binary(kind, block.one_a ? pa : pa + begin, block.one_a, block.one_b ? pb : pb + begin, block.one_b, y + begin,
               end - begin);
    });
  }
  for_rows(c.pool, blocks, block.length, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t at = i * block.length;
      k.binary(kind, pa + offset_of(at, shape, a), block.one_a, pb + offset_of(at, shape, b), block.one_b, y + at,
               block.length);
    }
  });
}

template <BinaryKind kind>
CpuOp make_binary() {
  return {.scalar = binary_scalar<kind>, .fast = binary_fast<kind>, .in_place = true};
}

// ---- one input
// ----------------------------------------------------------------------------------------------------------

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double softplus(double x) { return x > 20 ? x : std::log1p(std::exp(x)); }

double apply(UnaryKind kind, double x) {
  switch (kind) {
    case UnaryKind::Neg:
      return -x;
    case UnaryKind::Abs:
      return std::fabs(x);
    case UnaryKind::Square:
      return x * x;
    case UnaryKind::Sqrt:
      return std::sqrt(x);
    case UnaryKind::Rsqrt:
      return 1 / std::sqrt(x);
    case UnaryKind::Exp:
      return std::exp(x);
    case UnaryKind::Log:
      return std::log(x);
    case UnaryKind::Sin:
      return std::sin(x);
    case UnaryKind::Cos:
      return std::cos(x);
    case UnaryKind::Sigmoid:
      return sigmoid(x);
    case UnaryKind::Tanh:
      return std::tanh(x);
    case UnaryKind::Relu:
      return x < 0 ? 0 : x;
    case UnaryKind::Relu6:
      return x < 0 ? 0 : x > 6 ? 6 : x;
    case UnaryKind::Silu:
      return x * sigmoid(x);
    case UnaryKind::GeluErf:
      return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
    case UnaryKind::GeluTanh:
      return x / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case UnaryKind::QuickGelu:
      return x * sigmoid(1.702 * x);
    case UnaryKind::Softplus:
      return softplus(x);
    case UnaryKind::Mish:
      return x * std::tanh(softplus(x));
  }
  return 0;
}

void unary_scalar(const OpCall& c) {
  UnaryKind kind = c.node.attr<UnaryAttrs>().kind;
  for (int64_t i = 0; i < c.out.elements(); ++i) f32(c.out)[i] = static_cast<float>(apply(kind, f32(c.in[0])[i]));
}

// body(first, count): pieces of a flat loop over the output. An exponential costs about four additions.
template <class Body>
void for_values(const OpCall& c, int64_t cost, Body&& body) {
  for_rows(c.pool, c.out.elements(), cost, [&](int64_t begin, int64_t end) { body(begin, end - begin); });
}

void unary_fast(const OpCall& c) {
  UnaryKind kind = c.node.attr<UnaryAttrs>().kind;
  const float* x = f32(c.in[0]);
  float* y = f32(c.out);
  for_values(c, 4, [&](int64_t i, int64_t n) { kernels().unary(kind, x + i, y + i, n); });
}

void affine_scalar(const OpCall& c) {
  auto [scale, bias] = c.node.attr<AffineAttrs>();
  for (int64_t i = 0; i < c.out.elements(); ++i)
    f32(c.out)[i] = static_cast<float>(static_cast<double>(scale) * f32(c.in[0])[i] + bias);
}

void affine_fast(const OpCall& c) {
  const auto& attrs = c.node.attr<AffineAttrs>();
  const float* x = f32(c.in[0]);
  float* y = f32(c.out);
  for_values(c, 1, [&](int64_t i, int64_t n) { kernels().affine(x + i, attrs.scale, attrs.bias, y + i, n); });
}

void clamp_scalar(const OpCall& c) {
  const auto& attrs = c.node.attr<ClampAttrs>();
  for (int64_t i = 0; i < c.out.elements(); ++i) {
    float x = f32(c.in[0])[i];
    f32(c.out)[i] = x < attrs.low ? attrs.low : x > attrs.high ? attrs.high : x;  // NaN stays
  }
}

void clamp_fast(const OpCall& c) {
  const auto& attrs = c.node.attr<ClampAttrs>();
  const float* x = f32(c.in[0]);
  float* y = f32(c.out);
  for_values(c, 1, [&](int64_t i, int64_t n) { kernels().clamp(x + i, attrs.low, attrs.high, y + i, n); });
}

// ---- more inputs
// ----------------------------------------------------------------------------------------------------------

void glu_scalar(const OpCall& c) {
  UnaryKind kind = c.node.attr<UnaryAttrs>().kind;
  for (int64_t i = 0; i < c.out.elements(); ++i)
    f32(c.out)[i] = static_cast<float>(apply(kind, f32(c.in[0])[i]) * f32(c.in[1])[i]);
}

void glu_fast(const OpCall& c) {
  UnaryKind kind = c.node.attr<UnaryAttrs>().kind;
  const float *gate = f32(c.in[0]), *up = f32(c.in[1]);
  float* y = f32(c.out);
  for_values(c, 4, [&](int64_t i, int64_t n) { kernels().glu(kind, gate + i, up + i, y + i, n); });
}

void where_rows(const OpCall& c, int64_t begin, int64_t end) {
  const Shape& shape = c.out.shape();
  Strides s0 = broadcast_strides(c.in[0].shape(), shape), s1 = broadcast_strides(c.in[1].shape(), shape),
          s2 = broadcast_strides(c.in[2].shape(), shape);
  for (int64_t i = begin; i < end; ++i) {
    bool yes = i32(c.in[0])[offset_of(i, shape, s0)] != 0;
    f32(c.out)[i] = yes ? f32(c.in[1])[offset_of(i, shape, s1)] : f32(c.in[2])[offset_of(i, shape, s2)];
  }
}

void where_scalar(const OpCall& c) { where_rows(c, 0, c.out.elements()); }
void where_fast(const OpCall& c) {
  c.pool.parallel_for(c.out.elements(), kGrain / 8, [&](int64_t begin, int64_t end) { where_rows(c, begin, end); });
}

}  // namespace

CpuOp make_Add() { return make_binary<BinaryKind::Add>(); }
CpuOp make_Sub() { return make_binary<BinaryKind::Sub>(); }
CpuOp make_Mul() { return make_binary<BinaryKind::Mul>(); }
CpuOp make_Div() { return make_binary<BinaryKind::Div>(); }
CpuOp make_Affine() { return {.scalar = affine_scalar, .fast = affine_fast, .in_place = true}; }
CpuOp make_Unary() { return {.scalar = unary_scalar, .fast = unary_fast, .in_place = true}; }
CpuOp make_Glu() { return {.scalar = glu_scalar, .fast = glu_fast, .in_place = true}; }
CpuOp make_Where() { return {.scalar = where_scalar, .fast = where_fast}; }
CpuOp make_Clamp() { return {.scalar = clamp_scalar, .fast = clamp_fast, .in_place = true}; }

}  // namespace galago::cpu
