// Shape rules of element-wise ops, reductions and softmax.
#include <algorithm>

#include "graph/ops/rule.h"

namespace galago {
using namespace rule;
namespace {

Shape broadcast(Op op, const Shape& a, const Shape& b) {
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  Shape out = longer;
  for (int i = 1; i <= shorter.rank(); ++i) {
    require(longer[-i] == shorter[-i] || longer[-i] == 1 || shorter[-i] == 1, op,
            "[{}] and [{}] do not broadcast", a.to_string(), b.to_string());
    out[-i] = longer[-i] == 1 ? shorter[-i] : longer[-i];
  }
  return out;
}

Value binary(Graph& g, Op op, Value a, Value b) {
  require_f32(g, op, a, "a");
  require_f32(g, op, b, "b");
  return append(g, op, {a, b}, broadcast(op, g.shape(a), g.shape(b)));
}

Value reduce(Graph& g, Op op, Value x, int axis, bool needs_elements) {
  require_f32(g, op, x, "x");
  axis = axis_of(op, g.shape(x), axis);
  require(!needs_elements || g.shape(x)[axis] > 0, op, "axis {} of [{}] is empty", axis, g.shape(x).to_string());
  return append(g, op, {x}, without_axis(g.shape(x), axis), AxisAttrs{axis});
}

}  // namespace

Value add(Graph& g, Value a, Value b) { return binary(g, Op::Add, a, b); }
Value sub(Graph& g, Value a, Value b) { return binary(g, Op::Sub, a, b); }
Value mul(Graph& g, Value a, Value b) { return binary(g, Op::Mul, a, b); }
Value div(Graph& g, Value a, Value b) { return binary(g, Op::Div, a, b); }

Value affine(Graph& g, Value x, float scale, float bias) {
  require_f32(g, Op::Affine, x, "x");
  return append(g, Op::Affine, {x}, g.shape(x), AffineAttrs{scale, bias});
}

Value unary(Graph& g, Value x, UnaryKind kind) {
  require_f32(g, Op::Unary, x, "x");
  return append(g, Op::Unary, {x}, g.shape(x), UnaryAttrs{kind});
}

Value glu(Graph& g, Value gate, Value up, UnaryKind kind) {
  require_f32(g, Op::Glu, gate, "gate");
  require_f32(g, Op::Glu, up, "up");
  require_shape(g, Op::Glu, up, g.shape(gate), "up");
  return append(g, Op::Glu, {gate, up}, g.shape(gate), UnaryAttrs{kind});
}

Value where(Graph& g, Value condition, Value a, Value b) {
  require_i32(g, Op::Where, condition, "condition");
  require_f32(g, Op::Where, a, "a");
  require_f32(g, Op::Where, b, "b");
  Shape shape = broadcast(Op::Where, g.shape(condition), broadcast(Op::Where, g.shape(a), g.shape(b)));
  return append(g, Op::Where, {condition, a, b}, shape);
}

Value clamp(Graph& g, Value x, float low, float high) {
  require_f32(g, Op::Clamp, x, "x");
  require(low <= high, Op::Clamp, "low {} is above high {}", low, high);
  return append(g, Op::Clamp, {x}, g.shape(x), ClampAttrs{low, high});
}

Value sum(Graph& g, Value x, int axis) { return reduce(g, Op::Sum, x, axis, false); }
Value mean(Graph& g, Value x, int axis) { return reduce(g, Op::Mean, x, axis, true); }
Value max(Graph& g, Value x, int axis) { return reduce(g, Op::Max, x, axis, true); }

Value argmax(Graph& g, Value x) {
  require_f32(g, Op::Argmax, x, "x");
  require(g.shape(x).rank() >= 1 && g.shape(x).last() > 0, Op::Argmax, "the last axis of [{}] is empty",
          g.shape(x).to_string());
  return append(g, Op::Argmax, {x}, without_axis(g.shape(x), g.shape(x).rank() - 1), {}, DType::I32);
}

Value top_k(Graph& g, Value x, int k) {
  require_f32(g, Op::TopK, x, "x");
  require(g.shape(x).rank() >= 1 && k >= 1 && k <= g.shape(x).last(), Op::TopK, "{} of [{}]", k,
          g.shape(x).to_string());
  return append(g, Op::TopK, {x}, with_last(g.shape(x), k), TopKAttrs{k}, DType::I32);
}

Value softmax(Graph& g, Value x, int axis) {
  require_f32(g, Op::Softmax, x, "x");
  axis = axis_of(Op::Softmax, g.shape(x), axis);
  return append(g, Op::Softmax, {x}, g.shape(x), AxisAttrs{axis});
}

}  // namespace galago
