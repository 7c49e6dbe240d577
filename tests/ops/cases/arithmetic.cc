// Cases of the ops that treat every value alike.
#include "tests/ops/op_case.h"

namespace galago::test {
namespace {

using Binary = Value (*)(Graph&, Value, Value);

// b is positive and not small, so that quotients stay of order one.
struct BinaryCase : OpCase {
  Op op_;
  Binary build_;
  BinaryCase(Op op, Binary build) : op_(op), build_(build) {}
  Op op() const override { return op_; }
  std::vector<Shape> shapes() const override { return {{}, {1}, {7}, {33}, {0, 3}, {3, 0}, {3, 17}, {40, 1025}}; }
  Value build(Graph& g, Inputs& in) const override { return build_(g, in.x(), in.f32(in.shape(), Range{0.5, 2})); }
  double tolerance() const override { return 1e-7; }  // the same single operation: equal but for fused rounding
};
OP_CASE(BinaryCase, Op::Add, add);
OP_CASE(BinaryCase, Op::Sub, sub);
OP_CASE(BinaryCase, Op::Mul, mul);
OP_CASE(BinaryCase, Op::Div, div);

// The shape given is the result's; `a` and `b` keep the axes of their masks and have 1 (or nothing) elsewhere.
struct BroadcastCase : BinaryCase {
  std::string variant_;
  Shape a, b, out;
  BroadcastCase(Op op, Binary build, const std::string& variant, Shape a, Shape b)
      : BinaryCase(op, build), variant_(variant), a(a), b(b) {}
  std::string variant() const override { return variant_; }
  std::vector<Shape> shapes() const override { return {a}; }
  Value build(Graph& g, Inputs& in) const override { return build_(g, in.f32(a), in.f32(b, Range{0.5, 2})); }
};
OP_CASE(BroadcastCase, Op::Add, add, "rows", {5, 33}, {33});
OP_CASE(BroadcastCase, Op::Add, add, "channels", {2, 7, 3, 5}, {7, 1, 1});
OP_CASE(BroadcastCase, Op::Add, add, "scalar", {3, 17}, {});
OP_CASE(BroadcastCase, Op::Sub, sub, "from_scalar", {}, {3, 17});
OP_CASE(BroadcastCase, Op::Mul, mul, "outer", {9, 1}, {1, 35});
OP_CASE(BroadcastCase, Op::Mul, mul, "middle", {3, 1, 17}, {3, 4, 17});
OP_CASE(BroadcastCase, Op::Div, div, "both", {2, 1, 5, 1}, {1, 3, 1, 7});
OP_CASE(BroadcastCase, Op::Mul, mul, "empty", {2, 1, 5}, {2, 0, 5});

struct AffineCase : OpCase {
  Op op() const override { return Op::Affine; }
  std::vector<Shape> shapes() const override { return {{}, {0}, {1}, {7}, {33}, {40000}}; }
  Value build(Graph& g, Inputs& in) const override { return affine(g, in.x(), 1.7f, -0.3f); }
  double tolerance() const override { return 2e-7; }  // fused or not: one rounding more
};
OP_CASE(AffineCase);

struct ClampCase : OpCase {
  Op op() const override { return Op::Clamp; }
  std::vector<Shape> shapes() const override { return {{0}, {1}, {33}, {40000}}; }
  Value build(Graph& g, Inputs& in) const override { return clamp(g, in.x(), -0.6f, 1.1f); }
  double tolerance() const override { return 0; }
};
OP_CASE(ClampCase);

struct UnaryCase : OpCase {
  UnaryKind kind;
  Range range;
  explicit UnaryCase(UnaryKind kind, Range range = {}) : kind(kind), range(range) {}
  Op op() const override { return Op::Unary; }
  std::string variant() const override { return std::string(to_string(kind)); }
  std::vector<Shape> shapes() const override { return {{0}, {1}, {7}, {33}, {3, 11}, {40000}}; }
  Value build(Graph& g, Inputs& in) const override { return unary(g, in.x(range), kind); }
  double tolerance() const override { return 5e-7; }  // a few ulp: exp is 1.5 ulp and a quotient follows
};
OP_CASE(UnaryCase, UnaryKind::Neg);
OP_CASE(UnaryCase, UnaryKind::Abs);
OP_CASE(UnaryCase, UnaryKind::Square);
OP_CASE(UnaryCase, UnaryKind::Sqrt, Range{0.1, 9});
OP_CASE(UnaryCase, UnaryKind::Rsqrt, Range{0.1, 9});
OP_CASE(UnaryCase, UnaryKind::Exp, Range{-9, 4});
OP_CASE(UnaryCase, UnaryKind::Log, Range{0.1, 50});
OP_CASE(UnaryCase, UnaryKind::Sin, Range{-30, 30});
OP_CASE(UnaryCase, UnaryKind::Cos, Range{-30, 30});
OP_CASE(UnaryCase, UnaryKind::Sigmoid, Range{-12, 12});
OP_CASE(UnaryCase, UnaryKind::Tanh, Range{-6, 6});
OP_CASE(UnaryCase, UnaryKind::Relu);
OP_CASE(UnaryCase, UnaryKind::Relu6, Range{-3, 9});
OP_CASE(UnaryCase, UnaryKind::Silu, Range{-12, 12});
OP_CASE(UnaryCase, UnaryKind::GeluErf, Range{-6, 6});
OP_CASE(UnaryCase, UnaryKind::GeluTanh, Range{-6, 6});
OP_CASE(UnaryCase, UnaryKind::QuickGelu, Range{-6, 6});
OP_CASE(UnaryCase, UnaryKind::Softplus, Range{-12, 30});
OP_CASE(UnaryCase, UnaryKind::Mish, Range{-12, 30});

struct GluCase : OpCase {
  UnaryKind kind;
  explicit GluCase(UnaryKind kind) : kind(kind) {}
  Op op() const override { return Op::Glu; }
  std::string variant() const override { return std::string(to_string(kind)); }
  std::vector<Shape> shapes() const override { return {{0}, {1}, {3, 7}, {33}, {130}, {20, 1025}}; }
  Value build(Graph& g, Inputs& in) const override { return glu(g, in.x(), in.x(), kind); }
  double tolerance() const override { return 5e-7; }  // as unary
};
OP_CASE(GluCase, UnaryKind::Silu);
OP_CASE(GluCase, UnaryKind::GeluTanh);
OP_CASE(GluCase, UnaryKind::Relu);
OP_CASE(GluCase, UnaryKind::Sin);

struct WhereCase : OpCase {
  Op op() const override { return Op::Where; }
  std::vector<Shape> shapes() const override { return {{0, 4}, {1, 1}, {5, 7}, {9, 33}, {70, 1025}}; }
  Value build(Graph& g, Inputs& in) const override {
    Value condition = in.ids({in.shape()[0], 1}, 2);
    return where(g, condition, in.x(), in.f32({in.shape().last()}));
  }
  double tolerance() const override { return 0; }
};
OP_CASE(WhereCase);

}  // namespace
}  // namespace galago::test
