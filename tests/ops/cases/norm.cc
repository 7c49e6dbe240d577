// Cases of the normalisations, softmax and rope.
#include "tests/ops/op_case.h"

namespace galago::test {
namespace {

struct RmsNormCase : OpCase {
  Op op() const override { return Op::RmsNorm; }
  std::vector<Shape> shapes() const override { return {{7}, {1, 8}, {3, 33}, {0, 64}, {2, 3, 1}, {30, 4096}}; }
  Value build(Graph& g, Inputs& in) const override { return rms_norm(g, in.x(), in.gain(), 1e-6f); }
  double tolerance() const override { return 3e-6; }  // one sum in float; a single lane adds 4096 squares in a row
};
OP_CASE(RmsNormCase);

struct LayerNormCase : OpCase {
  int n_weights;
  explicit LayerNormCase(int n_weights) : n_weights(n_weights) {}
  Op op() const override { return Op::LayerNorm; }
  std::string variant() const override { return n_weights == 0 ? "plain" : n_weights == 1 ? "gain" : ""; }
  std::vector<Shape> shapes() const override { return {{7}, {1, 8}, {3, 33}, {0, 64}, {2, 3, 17}, {30, 1153}}; }
  Value build(Graph& g, Inputs& in) const override {
    Value x = in.x({-1, 5});  // a mean that must not cost digits
    Value gain = n_weights > 0 ? in.gain() : Value{}, bias = n_weights > 1 ? in.bias() : Value{};
    return layer_norm(g, x, gain, bias, 1e-5f);
  }
  double tolerance() const override { return 4e-6; }  // two sums in float, mean about 2
};
OP_CASE(LayerNormCase, 0);
OP_CASE(LayerNormCase, 1);
OP_CASE(LayerNormCase, 2);

struct GroupNormCase : OpCase {
  Op op() const override { return Op::GroupNorm; }
  std::vector<Shape> shapes() const override { return {{1, 4, 7}, {2, 6, 3, 5}, {0, 4, 3}, {3, 8}, {2, 64, 16, 17}}; }
  Value build(Graph& g, Inputs& in) const override {
    Shape channels{in.shape()[1]};
    return group_norm(g, in.x(), in.weight(channels), in.weight(channels), 2, 1e-5f);
  }
  double tolerance() const override { return 2e-5; }  // one lane adds up to 8704 squares in a row
};
OP_CASE(GroupNormCase);

struct BatchNormCase : OpCase {
  Op op() const override { return Op::BatchNorm; }
  std::vector<Shape> shapes() const override { return {{1, 4, 7}, {2, 3, 5, 3}, {0, 4}, {3, 8}, {2, 64, 16, 17}}; }
  Value build(Graph& g, Inputs& in) const override {
    Shape channels{in.shape()[1]};
    Value x = in.x(), gain = in.weight(channels), bias = in.weight(channels);
    return batch_norm(g, x, gain, bias, in.constant(channels), in.constant(channels, {0.5, 2}), 1e-5f);
  }
  double tolerance() const override { return 1e-6; }
};
OP_CASE(BatchNormCase);

struct SoftmaxCase : OpCase {
  int axis;
  explicit SoftmaxCase(int axis) : axis(axis) {}
  Op op() const override { return Op::Softmax; }
  std::string variant() const override { return axis == -1 ? "" : "axis_" + std::to_string(axis); }
  std::vector<Shape> shapes() const override { return {{1, 1}, {3, 7}, {0, 5}, {5, 0}, {2, 5, 33}, {40, 1025}}; }
  Value build(Graph& g, Inputs& in) const override { return softmax(g, in.x({-9, 9}), axis); }
  double tolerance() const override { return 1e-6; }  // exp and one sum of positive values
};
OP_CASE(SoftmaxCase, -1);
OP_CASE(SoftmaxCase, 0);

struct RopeCase : OpCase {
  RopeAttrs attrs;
  bool batched, with_factors;
  std::string variant_;
  RopeCase(const std::string& variant, RopeAttrs attrs, bool batched, bool with_factors)
      : attrs(attrs), batched(batched), with_factors(with_factors), variant_(variant) {}
  Op op() const override { return Op::Rope; }
  std::string variant() const override { return variant_; }
  std::vector<Shape> shapes() const override { return {{1, 1, 1, 16}, {2, 3, 2, 20}, {1, 0, 2, 16}, {1, 130, 5, 64}}; }
  Value build(Graph& g, Inputs& in) const override {
    RopeAttrs a = attrs;
    if (a.n_rot == 0) a.n_rot = static_cast<int>(in.shape().last());
    Value x = in.x();
    Shape positions = batched ? Shape{in.shape()[0], in.shape()[1]} : Shape{in.shape()[1]};
    Value factors = with_factors ? in.constant({a.n_rot / 2}, {1, 8}) : Value{};
    return rope(g, x, in.ids(positions, 30000), a, factors);
  }
  // sin and cos are good to 1.2e-7; base^(-2i/n) by multiplication or pow may round to neighbouring floats, which at
  // position 30000 turns the angle by up to 2e-3: the largest exponent i = 0 is exact, the others shrink with i.
  double tolerance() const override { return 1e-6; }
  double torch_tolerance() const override { return 5e-3; }  // torch computes base^(...) in float
};
OP_CASE(RopeCase, "halves", {1e4f, 0, RopeLayout::Halves, 1}, false, false);
OP_CASE(RopeCase, "pairs", {1e4f, 0, RopeLayout::Pairs, 1}, true, false);
OP_CASE(RopeCase, "partial", {5e5f, 10, RopeLayout::Halves, 1.2f}, true, true);
OP_CASE(RopeCase, "partial_pairs", {1e4f, 6, RopeLayout::Pairs, 1}, false, true);

}  // namespace
}  // namespace galago::test
