// Cases of the convolutions: strides, padding, dilation, groups, one channel a group, patches, both weight formats.
#include "tests/ops/op_case.h"

namespace galago::test {
namespace {

struct Setup {
  const char* name;
  int taps;
  ConvAttrs attrs = {};
  int per_group = 2;  // output channels of a group; the picture must have a multiple of `groups` channels
  DType dtype = DType::F32;
  bool bias = true;
};

// The weight of a convolution over `in.shape()`: [N, C, spatial ...].
Value weight_of(Inputs& in, const Setup& s, bool transposed) {
  const int64_t channels = in.shape()[1], groups = s.attrs.groups;
  const int64_t first = transposed ? channels : s.per_group * groups,
                second = transposed ? s.per_group : channels / groups;
  if (in.shape().rank() == 3) return in.weight({first, second, s.taps}, {-0.5, 0.5}, s.dtype);
  return in.weight({first, second, s.taps, s.taps}, {-0.5, 0.5}, s.dtype);
}

Value bias_of(Inputs& in, const Setup& s) { return s.bias ? in.weight({s.per_group * s.attrs.groups}) : Value{}; }

struct ConvCase : OpCase {
  Op kind;
  Setup setup;
  ConvCase(Op kind, Setup setup) : kind(kind), setup(setup) {}
  Op op() const override { return kind; }
  std::string variant() const override { return setup.name; }
  bool signal() const { return kind == Op::Conv1d || kind == Op::ConvTranspose1d; }
  bool transposed() const { return kind == Op::ConvTranspose1d || kind == Op::ConvTranspose2d; }

  std::vector<Shape> shapes() const override {  // channels are multiples of 6
    if (signal()) return {{1, 6, 7}, {2, 6, 33}, {0, 6, 9}, {1, 12, 16}, {1, 96, 130}, {3, 18, 65}};
    return {{1, 6, 7, 7}, {2, 6, 8, 11}, {0, 6, 9, 9}, {1, 6, 16, 17}, {1, 36, 40, 33}};
  }
  Value build(Graph& g, Inputs& in) const override {
    Value x = in.x({-1, 1}), w = weight_of(in, setup, transposed()), bias = bias_of(in, setup);
    switch (kind) {
      case Op::Conv1d:
        return conv1d(g, x, w, bias, setup.attrs);
      case Op::Conv2d:
        return conv2d(g, x, w, bias, setup.attrs);
      case Op::ConvTranspose1d:
        return conv_transpose1d(g, x, w, bias, setup.attrs);
      default:
        return conv_transpose2d(g, x, w, bias, setup.attrs);
    }
  }
  double tolerance() const override { return 2e-5; }  // up to 900 products in a row, sums to 15; measured 1.1e-5
  bool differentiable() const override { return setup.dtype == DType::F32; }
  std::vector<Shape> gradient_shapes() const override {
    return signal() ? std::vector<Shape>{{2, 6, 9}} : std::vector<Shape>{{1, 6, 7, 8}};
  }
};

#define CONV_CASES(op)                                                                                                \
  OP_CASE(ConvCase, op, Setup{.name = "pointwise", .taps = 1, .per_group = 17});                                      \
  OP_CASE(ConvCase, op, Setup{.name = "same", .taps = 3, .attrs = {.padding = 1}, .per_group = 7});                   \
  OP_CASE(ConvCase, op, Setup{.name = "strided", .taps = 5, .attrs = {.stride = 2, .padding = 2}, .per_group = 97});  \
  OP_CASE(ConvCase, op, Setup{.name = "dilated", .taps = 3, .attrs = {.padding = 3, .dilation = 2}});                 \
  OP_CASE(ConvCase, op, Setup{.name = "patches", .taps = 4, .attrs = {.stride = 4}, .per_group = 33});                \
  OP_CASE(ConvCase, op, Setup{.name = "groups", .taps = 3, .attrs = {.padding = 1, .groups = 3}});                    \
  OP_CASE(ConvCase, op, Setup{.name = "depthwise", .taps = 3, .attrs = {.padding = 1, .groups = 6}, .per_group = 1}); \
  OP_CASE(ConvCase, op,                                                                                               \
          Setup{.name = "depthwise_strided", .taps = 4, .attrs = {.stride = 2, .padding = 5, .groups = 6}});          \
  OP_CASE(ConvCase, op, Setup{.name = "f16", .taps = 3, .attrs = {.padding = 1}, .dtype = DType::F16, .bias = false})
CONV_CASES(Op::Conv1d);
CONV_CASES(Op::Conv2d);

#define TRANSPOSE_CASES(op)                                                                                           \
  OP_CASE(ConvCase, op, Setup{.name = "plain", .taps = 3, .per_group = 7});                                           \
  OP_CASE(ConvCase, op, Setup{.name = "doubling", .taps = 4, .attrs = {.stride = 2, .padding = 1}, .per_group = 33}); \
  OP_CASE(ConvCase, op,                                                                                               \
          Setup{.name = "output_padding", .taps = 3, .attrs = {.stride = 2, .padding = 1, .output_padding = 1}});     \
  OP_CASE(ConvCase, op, Setup{.name = "groups", .taps = 3, .attrs = {.dilation = 2, .groups = 3}});                   \
  OP_CASE(                                                                                                            \
      ConvCase, op,                                                                                                   \
      Setup{                                                                                                          \
          .name = "f16", .taps = 2, .attrs = {.stride = 3, .output_padding = 2}, .dtype = DType::F16, .bias = false})
TRANSPOSE_CASES(Op::ConvTranspose1d);
TRANSPOSE_CASES(Op::ConvTranspose2d);

}  // namespace
}  // namespace galago::test
