// Shape rules: what every op gives, and the sentence it refuses with. Inputs are written as texts: "2x3" is f32 [2, 3],
// "i32 4" is i32 [4], "scalar" is f32 [].
#include <gtest/gtest.h>

#include <functional>
#include <sstream>

#include "base/error.h"
#include "graph/builder.h"

namespace galago {
namespace {

using Values = std::vector<Value>;
using Build = std::function<Value(Graph&, const Values&)>;

Value input_from(Graph& g, std::string text, size_t index) {
  DType dtype = text.starts_with("i32 ") ? DType::I32 : DType::F32;
  if (dtype == DType::I32) text = text.substr(4);
  std::vector<int64_t> dims;
  std::istringstream words(text == "scalar" ? "" : text);
  for (std::string word; std::getline(words, word, 'x');) dims.push_back(std::stoll(word));
  return g.input("in" + std::to_string(index), dtype, Shape(dims));
}

struct Case {
  const char* name;
  std::vector<std::string> inputs;
  Build build;
  std::string wanted;  // "[2, 3] f32", or the message of the error
};

std::string result_of(const Case& c) {
  Graph g;
  Values in;
  for (const std::string& text : c.inputs) in.push_back(input_from(g, text, in.size()));
  try {
    const Node& node = g.node(c.build(g, in));
    return fmt::format("[{}] {}", fmt::join(node.shape.dims(), ", "), info(node.dtype).name);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::InvalidInput);
    EXPECT_EQ(g.nodes().size(), c.inputs.size()) << "a refused op leaves a node behind";
    return e.what();
  }
}

void check(const std::vector<Case>& cases) {
  for (const Case& c : cases) EXPECT_EQ(result_of(c), c.wanted) << c.name;
}

#define BUILD(expression) [](Graph& g, const Values& in) { return expression; }

TEST(ShapeRules, MovingElements) {
  check({
      {"reshape", {"2x6"}, BUILD(reshape(g, in[0], {3, 4})), "[3, 4] f32"},
      {"to a scalar", {"1x1"}, BUILD(reshape(g, in[0], {})), "[] f32"},
      {"reshape keeps the type", {"i32 6"}, BUILD(reshape(g, in[0], {2, 3})), "[2, 3] i32"},
      {"empty", {"0x5"}, BUILD(reshape(g, in[0], {7, 0})), "[7, 0] f32"},
      {"count", {"2x6"}, BUILD(reshape(g, in[0], {5})), "reshape: [2 x 6] has 12 elements, [5] has 5"},
      {"permute", {"2x3x4"}, BUILD(permute(g, in[0], {2, 0, 1})), "[4, 2, 3] f32"},
      {"twice", {"2x3x4"}, BUILD(permute(g, in[0], {0, 0, 1})), "permute: axes (0, 0, 1) do not reorder [2 x 3 x 4]"},
      {"few", {"2x3x4"}, BUILD(permute(g, in[0], {1, 0})), "permute: axes (1, 0) do not reorder [2 x 3 x 4]"},
      {"slice", {"9x2"}, BUILD(slice(g, in[0], 0, 1, 8, 3)), "[3, 2] f32"},
      {"slice to nothing", {"9x2"}, BUILD(slice(g, in[0], -1, 2, 2)), "[9, 0] f32"},
      {"beyond", {"9x2"}, BUILD(slice(g, in[0], 0, 1, 10)), "slice: 1..10 step 1 of axis 0 of [9 x 2]"},
      {"backwards", {"9x2"}, BUILD(slice(g, in[0], 0, 3, 2)), "slice: 3..2 step 1 of axis 0 of [9 x 2]"},
      {"no step", {"9x2"}, BUILD(slice(g, in[0], 0, 0, 2, 0)), "slice: 0..2 step 0 of axis 0 of [9 x 2]"},
      {"no axis", {"9x2"}, BUILD(slice(g, in[0], 2, 0, 1)), "slice: axis 2 of [9 x 2]"},
      {"concat", {"2x3", "2x0", "2x4"}, BUILD(concat(g, in, 1)), "[2, 7] f32"},
      {"nothing", {}, BUILD(concat(g, in, 0)), "concat: nothing to join"},
      {"other sides", {"2x3", "4x3"}, BUILD(concat(g, in, 1)), "concat: [4 x 3] does not fit [2 x 3] along axis 1"},
      {"types", {"2", "i32 2"}, BUILD(concat(g, in, 0)), "concat: [2] does not fit [2] along axis 0"},
      {"expand", {"3x1"}, BUILD(expand(g, in[0], {2, 3, 4})), "[2, 3, 4] f32"},
      {"expand", {"3x2"}, BUILD(expand(g, in[0], {3, 4})), "expand: [3 x 2] cannot become [3 x 4]"},
      {"shrink", {"2x3"}, BUILD(expand(g, in[0], {3})), "expand: [2 x 3] cannot become [3]"},
      {"pad", {"2x3"}, BUILD(pad(g, in[0], {1, 0}, {0, 2})), "[3, 5] f32"},
      {"pad", {"2x3"}, BUILD(pad(g, in[0], {-1, 0}, {0, 2})), "pad: (-1, 0) and (0, 2) around [2 x 3]"},
      {"cast", {"i32 4"}, BUILD(cast(g, in[0], DType::F16)), "[4] f16"},
      {"cast", {"4"}, BUILD(cast(g, in[0], DType::Q8_0)), "cast: from f32 to q8_0"},
  });
}

TEST(ShapeRules, Arithmetic) {
  check({
      {"broadcast", {"2x1x4", "3x1"}, BUILD(add(g, in[0], in[1])), "[2, 3, 4] f32"},
      {"scalar", {"scalar", "3"}, BUILD(mul(g, in[0], in[1])), "[3] f32"},
      {"empty", {"0x1", "1x5"}, BUILD(sub(g, in[0], in[1])), "[0, 5] f32"},
      {"no broadcast", {"2x3", "2"}, BUILD(add(g, in[0], in[1])), "add: [2 x 3] and [2] do not broadcast"},
      {"type", {"2", "i32 2"}, BUILD(div(g, in[0], in[1])), "div: b must be f32, is i32"},
      {"affine", {"2x3"}, BUILD(affine(g, in[0], 2)), "[2, 3] f32"},
      {"glu", {"2x3", "2x3"}, BUILD(glu(g, in[0], in[1], UnaryKind::Silu)), "[2, 3] f32"},
      {"glu", {"2x3", "3"}, BUILD(glu(g, in[0], in[1], UnaryKind::Silu)), "glu: up is [3], expected [2 x 3]"},
      {"where", {"i32 2x1", "3", "scalar"}, BUILD(where(g, in[0], in[1], in[2])), "[2, 3] f32"},
      {"where", {"2", "2", "2"}, BUILD(where(g, in[0], in[1], in[2])), "where: condition must be i32, is f32"},
      {"clamp", {"2"}, BUILD(clamp(g, in[0], 1, 0)), "clamp: low 1 is above high 0"},
      {"sum of nothing", {"3x0"}, BUILD(sum(g, in[0], 1)), "[3] f32"},
      {"mean of nothing", {"3x0"}, BUILD(mean(g, in[0], 1)), "mean: axis 1 of [3 x 0] is empty"},
      {"max", {"3x4x5"}, BUILD(max(g, in[0], -2)), "[3, 5] f32"},
      {"argmax", {"3x4"}, BUILD(argmax(g, in[0])), "[3] i32"},
      {"argmax", {"scalar"}, BUILD(argmax(g, in[0])), "argmax: the last axis of [scalar] is empty"},
      {"top_k", {"3x4"}, BUILD(top_k(g, in[0], 2)), "[3, 2] i32"},
      {"top_k", {"3x4"}, BUILD(top_k(g, in[0], 5)), "top_k: 5 of [3 x 4]"},
      {"softmax", {"3x4"}, BUILD(softmax(g, in[0], 0)), "[3, 4] f32"},
      {"softmax", {"3x4"}, BUILD(softmax(g, in[0], -3)), "softmax: axis -3 of [3 x 4]"},
  });
}

TEST(ShapeRules, Norms) {
  check({
      {"layer_norm", {"2x3", "3", "3"}, BUILD(layer_norm(g, in[0], in[1], in[2], 0)), "[2, 3] f32"},
      {"plain", {"2x3"}, BUILD(layer_norm(g, in[0], {}, {}, 0)), "[2, 3] f32"},
      {"bias", {"2x3", "3"}, BUILD(layer_norm(g, in[0], {}, in[1], 0)), "layer_norm: a bias needs a gain"},
      {"gain", {"2x3", "2"}, BUILD(rms_norm(g, in[0], in[1], 0)), "rms_norm: gain is [2], expected [3]"},
      {"empty rows", {"2x0", "0"}, BUILD(rms_norm(g, in[0], in[1], 0)), "rms_norm: x is [2 x 0]"},
      {"group_norm", {"1x6x4", "6", "6"}, BUILD(group_norm(g, in[0], in[1], in[2], 3, 0)), "[1, 6, 4] f32"},
      {"group_norm",
       {"1x6", "6", "6"},
       BUILD(group_norm(g, in[0], in[1], in[2], 4, 0)),
       "group_norm: 6 channels in 4 groups"},
      {"group_norm",
       {"1x6", "6", "6"},
       BUILD(group_norm(g, in[0], in[1], in[2], 0, 0)),
       "group_norm: 6 channels in 0 groups"},
      {"batch_norm",
       {"6", "6", "6", "6", "6"},
       BUILD(batch_norm(g, in[0], in[1], in[2], in[3], in[4], 0)),
       "batch_norm: x is [6], expected [N, C, ...]"},
      {"batch_norm",
       {"2x6x1", "6", "6", "6", "5"},
       BUILD(batch_norm(g, in[0], in[1], in[2], in[3], in[4], 0)),
       "batch_norm: a value per channel is [5], expected [6]"},
  });
}

TEST(ShapeRules, Products) {
  check({
      {"linear", {"2x5x3", "4x3", "4"}, BUILD(linear(g, in[0], in[1], in[2])), "[2, 5, 4] f32"},
      {"one row", {"3", "4x3"}, BUILD(linear(g, in[0], in[1])), "[4] f32"},
      {"width", {"2x5", "4x3"}, BUILD(linear(g, in[0], in[1])), "linear: x is [2 x 5], w is [4 x 3]"},
      {"bias", {"2x3", "4x3", "3"}, BUILD(linear(g, in[0], in[1], in[2])), "linear: bias is [3], expected [4]"},
      {"matmul", {"2x3x4", "2x4x5"}, BUILD(matmul(g, in[0], in[1])), "[2, 3, 5] f32"},
      {"shared b", {"2x3x4", "4x5"}, BUILD(matmul(g, in[0], in[1])), "[2, 3, 5] f32"},
      {"transposed", {"2x3x4", "2x5x4"}, BUILD(matmul(g, in[0], in[1], true)), "[2, 3, 5] f32"},
      {"inner", {"2x3", "4x5"}, BUILD(matmul(g, in[0], in[1])), "matmul: a is [2 x 3], b is [4 x 5]"},
      {"inner", {"2x3", "4x5"}, BUILD(matmul(g, in[0], in[1], true)), "matmul: a is [2 x 3], b is [4 x 5] transposed"},
      {"batches", {"2x3x4", "7x4x5"}, BUILD(matmul(g, in[0], in[1])), "matmul: a is [2 x 3 x 4], b is [7 x 4 x 5]"},
      {"experts", {"5x1x8", "3x4x8", "i32 5x2"}, BUILD(expert_linear(g, in[0], in[1], in[2])), "[5, 2, 4] f32"},
      {"slots",
       {"5x3x8", "3x4x8", "i32 5x2"},
       BUILD(expert_linear(g, in[0], in[1], in[2])),
       "expert_linear: x is [5 x 3 x 8], w is [3 x 4 x 8], expert is [5 x 2]"},
  });
}

TEST(ShapeRules, AttentionAndPositions) {
  check({
      {"grouped",
       {"1x5x4x8", "1x7x2x8", "1x7x2x6"},
       BUILD(attention(g, in[0], in[1], in[2], {.causal = true})),
       "[1, 5, 4, 6] f32"},
      {"heads",
       {"1x5x3x8", "1x5x2x8", "1x5x2x8"},
       BUILD(attention(g, in[0], in[1], in[2], {})),
       "attention: q is [1 x 5 x 3 x 8], k is [1 x 5 x 2 x 8], v is [1 x 5 x 2 x 8]"},
      {"causal",
       {"1x5x2x8", "1x4x2x8", "1x4x2x8"},
       BUILD(attention(g, in[0], in[1], in[2], {.causal = true})),
       "attention: causal with 5 queries but 4 keys"},
      {"mask",
       {"1x5x2x8", "1x4x2x8", "1x4x2x8", "4x5"},
       BUILD(attention(g, in[0], in[1], in[2], {.mask = in[3]})),
       "attention: mask is [4 x 5] for 5 queries and 4 keys"},
      {"past",
       {"1x1x2x8", "1x4x2x8", "1x4x2x8", "i32 2"},
       BUILD(attention(g, in[0], in[1], in[2], {.past = in[3]})),
       "attention: past is [2], expected [1]"},
      {"rope",
       {"2x5x4x8", "i32 5"},
       BUILD(rope(g, in[0], in[1], {1e4f, 8, RopeLayout::Halves, 1})),
       "[2, 5, 4, 8] f32"},
      {"positions",
       {"2x5x4x8", "i32 4"},
       BUILD(rope(g, in[0], in[1], {1e4f, 8, RopeLayout::Halves, 1})),
       "rope: x is [2 x 5 x 4 x 8], positions are [4]"},
      {"odd",
       {"2x5x4x8", "i32 5"},
       BUILD(rope(g, in[0], in[1], {1e4f, 7, RopeLayout::Pairs, 1})),
       "rope: 7 of 8 channels"},
      {"no state",
       {"1x9x2x4", "1x1x2x4", "i32 1"},
       BUILD(kv_append(g, in[0], in[1], in[2])),
       "kv_append: the first input must be a state"},
      {"gather", {"9x4", "i32 2x3"}, BUILD(gather(g, in[0], in[1])), "[2, 3, 4] f32"},
      {"gather", {"9x4", "2"}, BUILD(gather(g, in[0], in[1])), "gather: ids must be i32, is f32"},
      {"gather rank",
       {"9x4x2x2", "i32 1x1x1x2"},
       BUILD(gather(g, in[0], in[1])),
       "gather: ids [1 x 1 x 1 x 2] of a table [9 x 4 x 2 x 2]: too many dimensions"},
      {"scatter", {"9x4", "2x4", "i32 2"}, BUILD(scatter(g, in[0], in[1], in[2])), "[9, 4] f32"},
      {"scatter",
       {"9x4", "2x4", "i32 3"},
       BUILD(scatter(g, in[0], in[1], in[2])),
       "scatter: rows [2 x 4] at ids [3] into [9 x 4]"},
  });
}

TEST(ShapeRules, Pictures) {
  check({
      {"conv1d", {"1x4x10", "6x4x3"}, BUILD(conv1d(g, in[0], in[1], {}, {.stride = 2})), "[1, 6, 4] f32"},
      {"conv2d",
       {"2x4x9x7", "6x2x3x3", "6"},
       BUILD(conv2d(g, in[0], in[1], in[2], {.padding = 1, .groups = 2})),
       "[2, 6, 9, 7] f32"},
      {"channels",
       {"1x3x8x8", "6x4x3x3"},
       BUILD(conv2d(g, in[0], in[1], {}, {})),
       "conv2d: x is [1 x 3 x 8 x 8], w is [6 x 4 x 3 x 3], groups 1"},
      {"small",
       {"1x3x2x8", "6x3x3x3"},
       BUILD(conv2d(g, in[0], in[1], {}, {})),
       "conv2d: 3 taps (dilation 1) over 2 values and padding 0"},
      {"stride",
       {"1x3x8x8", "6x3x3x3"},
       BUILD(conv2d(g, in[0], in[1], {}, {.stride = 0})),
       "conv2d: stride 0, padding 0, dilation 1, groups 1"},
      {"transposed",
       {"1x4x5x5", "4x3x2x2"},
       BUILD(conv_transpose2d(g, in[0], in[1], {}, {.stride = 2})),
       "[1, 3, 10, 10] f32"},
      {"transposed",
       {"1x4x5", "4x3x4"},
       BUILD(conv_transpose1d(g, in[0], in[1], {}, {.stride = 2, .output_padding = 1})),
       "[1, 3, 13] f32"},
      {"transposed",
       {"1x4x1", "4x3x2"},
       BUILD(conv_transpose1d(g, in[0], in[1], {}, {.padding = 4})),
       "conv_transpose1d: 2 taps over 1 values give length -6"},
      {"pool", {"1x3x7x8"}, BUILD(pool2d(g, in[0], {PoolKind::Max, 3, 2, 1, false})), "[1, 3, 4, 4] f32"},
      {"pool",
       {"1x3x2x8"},
       BUILD(pool2d(g, in[0], {PoolKind::Max, 3, 2, 0, false})),
       "pool2d: size 3 over [1 x 3 x 2 x 8]"},
      {"interpolate",
       {"1x3x7x8"},
       BUILD(interpolate(g, in[0], {InterpolateKind::Bilinear, 5, 6, false})),
       "[1, 3, 5, 6] f32"},
      {"interpolate",
       {"1x3x7x8"},
       BUILD(interpolate(g, in[0], {InterpolateKind::Nearest, 5, 6, true})),
       "interpolate: nearest has no align_corners"},
      {"rois", {"1x3x7x8", "4x5"}, BUILD(roi_align(g, in[0], in[1], {2, 2, 2, 1, true})), "[4, 3, 2, 2] f32"},
      {"rois",
       {"1x3x7x8", "4x4"},
       BUILD(roi_align(g, in[0], in[1], {2, 2, 2, 1, true})),
       "roi_align: boxes are [4 x 4], expected [R, 5]"},
  });
}

TEST(ShapeRules, ScansAndLosses) {
  auto scan = BUILD(selective_scan(g, in[0], in[1], in[2], in[3], in[4], in[5]));
  check({
      {"scan", {"2x6x9", "2x6x9", "6x4", "2x3x4x9", "2x3x4x9", "6"}, scan, "[2, 6, 9] f32"},
      {"scan groups",
       {"2x6x9", "2x6x9", "6x4", "2x4x4x9", "2x4x4x9", "6"},
       scan,
       "selective_scan: u is [2 x 6 x 9], a is [6 x 4], b is [2 x 4 x 4 x 9]"},
      {"cross_entropy", {"2x3x10", "i32 2x3"}, BUILD(cross_entropy(g, in[0], in[1])), "[] f32"},
      {"targets",
       {"2x3x10", "i32 2x4"},
       BUILD(cross_entropy(g, in[0], in[1])),
       "cross_entropy: targets is [2 x 4], expected [2 x 3]"},
      {"kl_div", {"2x10", "2x10"}, BUILD(kl_div(g, in[0], in[1])), "[] f32"},
      {"kl_div", {"0x10", "0x10"}, BUILD(kl_div(g, in[0], in[1])), "kl_div: logits are [0 x 10]"},
      {"dropout", {"2"}, BUILD(dropout(g, in[0], 1)), "dropout: p = 1, expected 0 <= p < 1"},
  });
}

}  // namespace
}  // namespace galago
