// Cases of pool2d, interpolate and roi_align.
#include "tests/ops/op_case.h"

namespace galago::test {
namespace {

struct PoolCase : OpCase {
  PoolAttrs attrs;
  std::string variant_;
  PoolCase(const std::string& variant, PoolAttrs attrs) : attrs(attrs), variant_(variant) {}
  Op op() const override { return Op::Pool2d; }
  std::string variant() const override { return variant_; }
  std::vector<Shape> shapes() const override { return {{1, 1, 4, 4}, {2, 3, 7, 9}, {0, 2, 5, 5}, {1, 40, 33, 34}}; }
  Value build(Graph& g, Inputs& in) const override { return pool2d(g, in.x(), attrs); }
  double tolerance() const override { return 1e-6; }  // torch adds a window in float
};
OP_CASE(PoolCase, "max", {PoolKind::Max, 2, 2, 0, false});
OP_CASE(PoolCase, "max_padded", {PoolKind::Max, 3, 2, 1, false});
OP_CASE(PoolCase, "average", {PoolKind::Average, 2, 2, 0, false});
OP_CASE(PoolCase, "average_padded", {PoolKind::Average, 3, 2, 1, true});
OP_CASE(PoolCase, "average_uncounted", {PoolKind::Average, 3, 1, 1, false});

struct InterpolateCase : OpCase {
  InterpolateAttrs attrs;
  InterpolateCase(InterpolateKind kind, int64_t height, int64_t width, bool corners)
      : attrs{kind, height, width, corners} {}
  Op op() const override { return Op::Interpolate; }
  std::string variant() const override {
    return fmt::format("{}_{}x{}{}", to_string(attrs.kind), attrs.height, attrs.width,
                       attrs.align_corners ? "_corners" : "");
  }
  std::vector<Shape> shapes() const override {
    return {{1, 1, 1, 1}, {1, 2, 3, 5}, {2, 3, 14, 9}, {0, 2, 4, 4}, {1, 64, 27, 27}};
  }
  Value build(Graph& g, Inputs& in) const override { return interpolate(g, in.x(), attrs); }
  double tolerance() const override { return 2e-6; }        // 16 products in float
  double torch_tolerance() const override { return 2e-5; }  // torch computes positions in float
};
OP_CASE(InterpolateCase, InterpolateKind::Nearest, 10, 7, false);
OP_CASE(InterpolateCase, InterpolateKind::Bilinear, 10, 7, false);
OP_CASE(InterpolateCase, InterpolateKind::Bilinear, 28, 40, true);
OP_CASE(InterpolateCase, InterpolateKind::Bilinear, 1, 1, true);
OP_CASE(InterpolateCase, InterpolateKind::Bicubic, 10, 7, false);
OP_CASE(InterpolateCase, InterpolateKind::Bicubic, 33, 40, true);

// Boxes inside, over the border, outside, turned inside out and empty.
struct RoiAlignCase : OpCase {
  bool aligned;
  explicit RoiAlignCase(bool aligned) : aligned(aligned) {}
  Op op() const override { return Op::RoiAlign; }
  std::string variant() const override { return aligned ? "aligned" : "plain"; }
  std::vector<Shape> shapes() const override { return {{1, 1, 4, 5}, {2, 3, 9, 7}, {1, 70, 24, 24}}; }
  Value build(Graph& g, Inputs& in) const override {
    float last = static_cast<float>(in.shape()[0] - 1);
    Value boxes = in.f32({5, 5}, std::vector<float>{0,  2,  1.5,  9, 7, last, -6, -3, 8, 30, 0, 50, 50,
                                                    60, 60, last, 8, 6, 3,    2,  0,  4, 4,  4, 4});
    return roi_align(g, in.x(), boxes, {3, 2, 2, 0.5f, aligned});
  }
  double tolerance() const override { return 1e-5; }  // positions in float
};
OP_CASE(RoiAlignCase, true);
OP_CASE(RoiAlignCase, false);

}  // namespace
}  // namespace galago::test
