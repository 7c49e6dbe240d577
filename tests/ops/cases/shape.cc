// Cases of the ops that only move values: results are equal bit by bit.
#include "tests/ops/op_case.h"

namespace galago::test {
namespace {

struct ExactCase : OpCase {
  Op op_;
  std::string variant_;
  std::vector<Shape> shapes_;
  ExactCase(Op op, std::string variant, std::vector<Shape> shapes)
      : op_(op), variant_(std::move(variant)), shapes_(std::move(shapes)) {}
  Op op() const override { return op_; }
  std::string variant() const override { return variant_; }
  std::vector<Shape> shapes() const override { return shapes_; }
  double tolerance() const override { return 0; }
};

struct ReshapeCase : ExactCase {
  ReshapeCase() : ExactCase(Op::Reshape, "", {{1, 1}, {3, 7}, {0, 4}, {33, 2}}) {}
  Value build(Graph& g, Inputs& in) const override {
    Value x = reshape(g, in.x(), {in.shape().elements()});
    return affine(g, reshape(g, x, {in.shape()[1], in.shape()[0]}), 2);
  }
};
OP_CASE(ReshapeCase);

struct PermuteCase : ExactCase {
  std::vector<int> axes;
  PermuteCase(const std::string& variant, std::vector<int> axes, std::vector<Shape> shapes)
      : ExactCase(Op::Permute, variant, std::move(shapes)), axes(std::move(axes)) {}
  Value build(Graph& g, Inputs& in) const override { return permute(g, in.x(), axes); }
};
OP_CASE(PermuteCase, "transpose", {1, 0}, {{1, 1}, {7, 1}, {0, 3}, {17, 33}, {300, 257}});
OP_CASE(PermuteCase, "heads", {0, 2, 1, 3}, {{1, 1, 1, 1}, {2, 5, 3, 7}, {2, 0, 3, 7}, {1, 70, 12, 65}});
OP_CASE(PermuteCase, "to_channels_last", {0, 2, 3, 1}, {{1, 3, 5, 7}, {2, 17, 3, 1}, {1, 33, 40, 40}});
OP_CASE(PermuteCase, "reversed", {2, 1, 0}, {{3, 4, 5}, {1, 17, 2}, {33, 20, 65}});
OP_CASE(PermuteCase, "six_axes", {0, 2, 4, 1, 3, 5}, {{2, 3, 4, 2, 5, 3}});
OP_CASE(PermuteCase, "same", {0, 1}, {{3, 7}});

struct SliceCase : ExactCase {
  int axis;
  int64_t begin, cut, step;
  SliceCase(const std::string& variant, int axis, int64_t begin, int64_t cut, int64_t step)
      : ExactCase(Op::Slice, variant, {{4, 5, 6}, {7, 17, 9}, {33, 65, 40}}),
        axis(axis),
        begin(begin),
        cut(cut),
        step(step) {}
  Value build(Graph& g, Inputs& in) const override {
    return slice(g, in.x(), axis, begin, in.shape()[axis] - cut, step);
  }
};
OP_CASE(SliceCase, "rows", 0, 1, 1, 1);
OP_CASE(SliceCase, "middle", 1, 2, 0, 1);
OP_CASE(SliceCase, "last_step", 2, 1, 1, 2);
OP_CASE(SliceCase, "middle_step", 1, 0, 1, 3);
OP_CASE(SliceCase, "nothing", 0, 3, 1, 1);

struct EmptySliceCase : ExactCase {
  EmptySliceCase() : ExactCase(Op::Slice, "empty", {{0, 3}, {2, 0}}) {}
  Value build(Graph& g, Inputs& in) const override { return slice(g, in.x(), 1, 0, 0); }
};
OP_CASE(EmptySliceCase);

struct ConcatCase : ExactCase {
  int axis;
  explicit ConcatCase(int axis)
      : ExactCase(Op::Concat, "axis_" + std::to_string(axis), {{1, 1, 1}, {2, 3, 5}, {0, 3, 2}, {3, 33, 17}}),
        axis(axis) {}
  Value build(Graph& g, Inputs& in) const override {
    Shape second = in.shape(), nothing = in.shape();
    second[axis] += 2;
    nothing[axis] = 0;
    return concat(g, std::vector<Value>{in.x(), in.f32(nothing), in.f32(second)}, axis);
  }
};
OP_CASE(ConcatCase, 0);
OP_CASE(ConcatCase, 1);
OP_CASE(ConcatCase, 2);

struct ExpandCase : ExactCase {
  Shape to;
  ExpandCase(const std::string& variant, const Shape& from, const Shape& to)
      : ExactCase(Op::Expand, variant, {from}), to(to) {}
  Value build(Graph& g, Inputs& in) const override { return expand(g, in.x(), to); }
};
OP_CASE(ExpandCase, "rows", {7}, {5, 7});
OP_CASE(ExpandCase, "columns", {5, 1}, {5, 33});
OP_CASE(ExpandCase, "scalar", {}, {3, 2});
OP_CASE(ExpandCase, "middle", {3, 1, 17}, {2, 3, 9, 17});
OP_CASE(ExpandCase, "empty", {1, 3}, {0, 3});

struct PadCase : ExactCase {
  PadCase() : ExactCase(Op::Pad, "", {{1, 1}, {3, 7}, {0, 2}, {33, 65}, {200, 130}}) {}
  Value build(Graph& g, Inputs& in) const override { return pad(g, in.x(), {1, 0}, {2, 3}, -0.5f); }
};
OP_CASE(PadCase);

struct CastCase : ExactCase {
  DType from, to;
  CastCase(DType from, DType to)
      : ExactCase(Op::Cast, std::string(info(from).name) + "_to_" + std::string(info(to).name),
                  {{0}, {1}, {7}, {33}, {40000}}),
        from(from),
        to(to) {}
  Value build(Graph& g, Inputs& in) const override { return cast(g, cast(g, in.x({-1000, 1000}), from), to); }
};
OP_CASE(CastCase, DType::F32, DType::F16);
OP_CASE(CastCase, DType::F32, DType::BF16);
OP_CASE(CastCase, DType::F32, DType::I32);
OP_CASE(CastCase, DType::F16, DType::F32);
OP_CASE(CastCase, DType::BF16, DType::F32);
OP_CASE(CastCase, DType::I32, DType::F32);
OP_CASE(CastCase, DType::I32, DType::F16);

}  // namespace
}  // namespace galago::test
