// Cases of the reductions.
#include "tests/ops/op_case.h"

namespace galago::test {
namespace {

using Reduce = Value (*)(Graph&, Value, int);

struct ReduceCase : OpCase {
  Op op_;
  Reduce build_;
  int axis;
  ReduceCase(Op op, Reduce build, int axis) : op_(op), build_(build), axis(axis) {}
  Op op() const override { return op_; }
  std::string variant() const override { return axis == -1 ? "last" : "axis_" + std::to_string(axis); }
  std::vector<Shape> shapes() const override { return {{1, 1, 1}, {2, 3, 7}, {5, 17, 33}, {3, 70, 1025}}; }
  Value build(Graph& g, Inputs& in) const override { return build_(g, in.x(), axis); }
  double tolerance() const override {
    return op_ == Op::Max ? 0 : 2e-5;
  }  // 1025 values of both signs in float, one lane: 1.5e-5
};
OP_CASE(ReduceCase, Op::Sum, sum, 0);
OP_CASE(ReduceCase, Op::Sum, sum, 1);
OP_CASE(ReduceCase, Op::Sum, sum, -1);
OP_CASE(ReduceCase, Op::Mean, mean, 1);
OP_CASE(ReduceCase, Op::Mean, mean, -1);
OP_CASE(ReduceCase, Op::Max, max, 0);
OP_CASE(ReduceCase, Op::Max, max, -1);

struct EmptySumCase : OpCase {
  Op op() const override { return Op::Sum; }
  std::string variant() const override { return "empty"; }
  std::vector<Shape> shapes() const override { return {{0, 5}, {5, 0}, {0}}; }
  Value build(Graph& g, Inputs& in) const override { return sum(g, in.x(), 0); }
  double tolerance() const override { return 0; }
};
OP_CASE(EmptySumCase);

// Values in steps of 1/4, so that many are equal and the first must win.
Value with_ties(Graph& g, Inputs& in) {
  return affine(g, cast(g, cast(g, in.x({-40, 40}), DType::I32), DType::F32), 0.25f);
}

struct ArgmaxCase : OpCase {
  Op op() const override { return Op::Argmax; }
  std::vector<Shape> shapes() const override { return {{1}, {7}, {3, 33}, {0, 5}, {50, 1025}}; }
  Value build(Graph& g, Inputs& in) const override { return argmax(g, with_ties(g, in)); }
  double tolerance() const override { return 0; }
};
OP_CASE(ArgmaxCase);

struct TopKCase : OpCase {
  int k;
  explicit TopKCase(int k) : k(k) {}
  Op op() const override { return Op::TopK; }
  std::string variant() const override { return std::to_string(k); }
  std::vector<Shape> shapes() const override { return {{7}, {1, 8}, {3, 33}, {0, 9}, {50, 1025}}; }
  Value build(Graph& g, Inputs& in) const override { return top_k(g, with_ties(g, in), k); }
  double tolerance() const override { return 0; }
};
OP_CASE(TopKCase, 1);
OP_CASE(TopKCase, 6);

}  // namespace
}  // namespace galago::test
