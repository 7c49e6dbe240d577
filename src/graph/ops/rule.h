// What the shape rules share: checks that name the op and both shapes, and the call that appends a node.
#pragma once

#include "base/error.h"
#include "graph/builder.h"

namespace galago::rule {

// `require(ok, Op::Linear, "x is [{}], w is [{}]", ...)`: throws InvalidInput "linear: x is ..." when not ok.
template <class... Args>
void require(bool ok, Op op, fmt::format_string<Args...> format, Args&&... args) {
  if (!ok) throw invalid_input("{}: {}", info(op).name, fmt::format(format, std::forward<Args>(args)...));
}

inline int axis_of(Op op, const Shape& shape, int axis) {
  int i = axis < 0 ? axis + shape.rank() : axis;
  require(i >= 0 && i < shape.rank(), op, "axis {} of [{}]", axis, shape.to_string());
  return i;
}

inline void require_f32(const Graph& g, Op op, Value x, const char* what) {
  require(g.node(x).dtype == DType::F32, op, "{} must be f32, is {}", what, info(g.node(x).dtype).name);
}

inline void require_i32(const Graph& g, Op op, Value x, const char* what) {
  require(g.node(x).dtype == DType::I32, op, "{} must be i32, is {}", what, info(g.node(x).dtype).name);
}

inline void require_shape(const Graph& g, Op op, Value x, const Shape& wanted, const char* what) {
  require(g.shape(x) == wanted, op, "{} is [{}], expected [{}]", what, g.shape(x).to_string(), wanted.to_string());
}

inline Shape without_axis(const Shape& shape, int axis) {
  std::vector<int64_t> dims(shape.dims().begin(), shape.dims().end());
  dims.erase(dims.begin() + axis);
  return Shape(dims);
}

inline Shape with_last(Shape shape, int64_t last) {
  shape[-1] = last;
  return shape;
}

inline Value append(Graph& g, Op op, std::vector<Value> inputs, const Shape& shape, Attrs attrs = {},
                    DType dtype = DType::F32) {
  Node node{.op = op, .inputs = std::move(inputs), .attrs = std::move(attrs), .dtype = dtype, .shape = shape};
  return g.add(std::move(node));
}

// Optional inputs are left out of the node when they are invalid Values.
inline std::vector<Value> with_optional(std::vector<Value> inputs, Value optional) {
  if (optional.valid()) inputs.push_back(optional);
  return inputs;
}

}  // namespace galago::rule
