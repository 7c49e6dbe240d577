// Cases of the losses and dropout.
#include "tests/ops/op_case.h"

namespace galago::test {
namespace {

struct CrossEntropyCase : OpCase {
  float smoothing;
  explicit CrossEntropyCase(float smoothing) : smoothing(smoothing) {}
  Op op() const override { return Op::CrossEntropy; }
  std::string variant() const override { return smoothing > 0 ? "smoothed" : ""; }
  std::vector<Shape> shapes() const override { return {{1}, {3, 7}, {2, 3, 33}, {0, 5}, {40, 1025}}; }
  Value build(Graph& g, Inputs& in) const override {
    std::vector<int32_t> targets(in.shape().rows());
    for (size_t i = 0; i < targets.size(); ++i)  // every third row is ignored
      targets[i] = i % 3 == 2 ? -100 : static_cast<int32_t>(in.rng().below(in.shape().last()));
    std::span<const int64_t> dims = in.shape().dims();
    return cross_entropy(g, in.x({-5, 5}), in.i32(Shape(dims.first(dims.size() - 1)), targets), -100, smoothing);
  }
  double tolerance() const override { return 1e-6; }
  double torch_tolerance() const override { return 1e-5; }  // torch sums in float
};
OP_CASE(CrossEntropyCase, 0.0f);
OP_CASE(CrossEntropyCase, 0.1f);

struct AllIgnoredCase : OpCase {
  Op op() const override { return Op::CrossEntropy; }
  std::string variant() const override { return "all_ignored"; }
  std::vector<Shape> shapes() const override { return {{2, 7}}; }
  Value build(Graph& g, Inputs& in) const override { return cross_entropy(g, in.x(), in.i32({2}, {9, 9}), 9); }
  double tolerance() const override { return 0; }
};
OP_CASE(AllIgnoredCase);

struct KlDivCase : OpCase {
  Op op() const override { return Op::KlDiv; }
  std::vector<Shape> shapes() const override { return {{1}, {3, 7}, {2, 3, 33}, {40, 1025}}; }
  Value build(Graph& g, Inputs& in) const override { return kl_div(g, in.x(), in.constant(in.shape())); }
  double tolerance() const override { return 1e-6; }
  double torch_tolerance() const override { return 1e-5; }  // torch sums in float
};
OP_CASE(KlDivCase);

struct DropoutCase : OpCase {
  Op op() const override { return Op::Dropout; }
  std::vector<Shape> shapes() const override { return {{0}, {1}, {3, 7}}; }
  Value build(Graph& g, Inputs& in) const override { return affine(g, dropout(g, in.x(), 0.5f), 3); }
  bool differentiable() const override { return false; }  // random in a training program
  double tolerance() const override { return 0; }
};
OP_CASE(DropoutCase);

}  // namespace
}  // namespace galago::test
