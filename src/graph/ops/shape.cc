// Shape rules of the ops that move elements without computing.
#include <algorithm>

#include "graph/ops/rule.h"

namespace galago {
using namespace rule;

Value reshape(Graph& g, Value x, const Shape& shape) {
  require(g.shape(x).elements() == shape.elements(), Op::Reshape, "[{}] has {} elements, [{}] has {}",
          g.shape(x).to_string(), g.shape(x).elements(), shape.to_string(), shape.elements());
  return append(g, Op::Reshape, {x}, shape, {}, g.node(x).dtype);
}

Value permute(Graph& g, Value x, std::vector<int> axes) {
  const Shape& in = g.shape(x);
  std::vector<int> sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  bool ok = static_cast<int>(axes.size()) == in.rank();
  for (int i = 0; ok && i < in.rank(); ++i) ok = sorted[i] == i;
  require(ok, Op::Permute, "axes ({}) do not reorder [{}]", fmt::join(axes, ", "), in.to_string());
  Shape out = in;
  for (int i = 0; i < in.rank(); ++i) out[i] = in[axes[i]];
  return append(g, Op::Permute, {x}, out, PermuteAttrs{std::move(axes)}, g.node(x).dtype);
}

Value slice(Graph& g, Value x, int axis, int64_t begin, int64_t end, int64_t step) {
  Shape out = g.shape(x);
  axis = axis_of(Op::Slice, out, axis);
  require(0 <= begin && begin <= end && end <= out[axis] && step >= 1, Op::Slice,
          "{}..{} step {} of axis {} of [{}]", begin, end, step, axis, out.to_string());
  out[axis] = (end - begin + step - 1) / step;
  return append(g, Op::Slice, {x}, out, SliceAttrs{axis, begin, end, step}, g.node(x).dtype);
}

Value concat(Graph& g, std::span<const Value> parts, int axis) {
  require(!parts.empty(), Op::Concat, "nothing to join");
  Shape out = g.shape(parts[0]);
  axis = axis_of(Op::Concat, out, axis);
  out[axis] = 0;
  for (Value part : parts) {
    Shape shape = g.shape(part);
    bool same = shape.rank() == out.rank() && g.node(part).dtype == g.node(parts[0]).dtype;
    for (int i = 0; same && i < out.rank(); ++i) same = i == axis || shape[i] == out[i];
    require(same, Op::Concat, "[{}] does not fit [{}] along axis {}", shape.to_string(),
            g.shape(parts[0]).to_string(), axis);
    out[axis] += shape[axis];
  }
  return append(g, Op::Concat, {parts.begin(), parts.end()}, out, AxisAttrs{axis}, g.node(parts[0]).dtype);
}

Value expand(Graph& g, Value x, const Shape& shape) {
  const Shape& in = g.shape(x);
  bool ok = in.rank() <= shape.rank();
  for (int i = 1; ok && i <= in.rank(); ++i) ok = in[-i] == shape[-i] || in[-i] == 1;
  require(ok, Op::Expand, "[{}] cannot become [{}]", in.to_string(), shape.to_string());
  return append(g, Op::Expand, {x}, shape, {}, g.node(x).dtype);
}

Value pad(Graph& g, Value x, std::vector<int64_t> before, std::vector<int64_t> after, float value) {
  Shape out = g.shape(x);
  require_f32(g, Op::Pad, x, "x");
  bool ok = static_cast<int>(before.size()) == out.rank() && before.size() == after.size();
  for (int i = 0; ok && i < out.rank(); ++i) {
    ok = before[i] >= 0 && after[i] >= 0;
    if (ok) out[i] += before[i] + after[i];
  }
  require(ok, Op::Pad, "({}) and ({}) around [{}]", fmt::join(before, ", "), fmt::join(after, ", "),
          g.shape(x).to_string());
  return append(g, Op::Pad, {x}, out, PadAttrs{std::move(before), std::move(after), value});
}

Value cast(Graph& g, Value x, DType dtype) {
  auto castable = [](DType t) { return t == DType::F32 || t == DType::F16 || t == DType::BF16 || t == DType::I32; };
  require(castable(dtype) && castable(g.node(x).dtype), Op::Cast, "from {} to {}", info(g.node(x).dtype).name,
          info(dtype).name);
  return append(g, Op::Cast, {x}, g.shape(x), CastAttrs{dtype}, dtype);
}

}  // namespace galago
