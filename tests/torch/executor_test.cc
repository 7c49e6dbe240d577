// The libtorch executor on small graphs with values computed by hand, and the errors it promises.
#include "torch/executor.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "graph/builder.h"
#include "tensor/half.h"

namespace galago::torch_backend {
namespace {

using Floats = std::vector<float>;
using Ints = std::vector<int32_t>;

Tensor tensor(const Shape& shape, const Floats& values) { return Tensor::from(shape, std::span<const float>(values)); }
Tensor tensor(const Shape& shape, const Ints& values) { return Tensor::from(shape, std::span<const int32_t>(values)); }

// Inputs are weights, so that a case is one expression; the result is the output "y".
struct Case {
  Graph g;
  Value operator()(const Shape& shape, const Floats& values) { return weight(tensor(shape, values)); }
  Value ints(const Shape& shape, const Ints& values) { return weight(tensor(shape, values)); }
  Value weight(const Tensor& data) { return g.weight(std::make_shared<Weight>(Weight{"w", data})); }

  Tensor run(Value y) {
    g.output(y, "y");
    auto program = make_executor()->compile(std::make_shared<const Graph>(std::move(g)));
    program->run();
    return program->output("y");
  }
  void expect(Value y, const Floats& expected, float tolerance = 1e-6f) {
    Tensor out = run(y);
    ASSERT_EQ(out.elements(), static_cast<int64_t>(expected.size()));
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(out.f32()[i], expected[i], tolerance) << i;
  }
  void expect_ints(Value y, const Ints& expected) {
    Tensor out = run(y);
    EXPECT_EQ(Ints(out.i32().begin(), out.i32().end()), expected);
  }
};

TEST(Executor, ShapeOps) {
  {
    Case c;
    c.expect(permute(c.g, c({2, 3}, {1, 2, 3, 4, 5, 6}), {1, 0}), {1, 4, 2, 5, 3, 6});
  }
  {
    Case c;
    c.expect(slice(c.g, c({5}, {1, 2, 3, 4, 5}), 0, 1, 5, 2), {2, 4});
  }
  {
    Case c;
    c.expect(expand(c.g, c({2, 1}, {1, 2}), {2, 2}), {1, 1, 2, 2});
  }
  {
    Case c;
    c.expect(pad(c.g, c({1, 2}, {1, 2}), {1, 0}, {0, 1}, 9), {9, 9, 9, 1, 2, 9});
  }
  {
    Case c;
    c.expect_ints(cast(c.g, c({3}, {1.9f, -1.9f, 0.5f}), DType::I32), {1, -1, 0});
  }
  {
    Case c;
    std::vector<Value> parts = {c({1, 2}, {1, 2}), c({2, 2}, {3, 4, 5, 6})};
    c.expect(concat(c.g, parts, 0), {1, 2, 3, 4, 5, 6});
  }
}

TEST(Executor, Arithmetic) {
  {
    Case c;
    c.expect(sub(c.g, c({2, 1}, {1, 2}), c({2}, {10, 20})), {-9, -19, -8, -18});
  }
  {
    Case c;
    c.expect(affine(c.g, c({2}, {1, 2}), 3, -1), {2, 5});
  }
  {
    Case c;
    c.expect(where(c.g, c.ints({2}, {0, 7}), c({2}, {1, 2}), c({2}, {3, 4})), {3, 2});
  }
  {
    Case c;
    c.expect(clamp(c.g, c({3}, {-5, 0.5f, 5}), -1, 1), {-1, 0.5f, 1});
  }
  {
    Case c;
    c.expect(glu(c.g, c({1}, {2}), c({1}, {3}), UnaryKind::Silu), {6 / (1 + std::exp(-2.0f))});
  }
  {
    Case c;
    c.expect(unary(c.g, c({2}, {1, -1}), UnaryKind::GeluErf), {0.8413447f, -0.1586553f});
  }
  {
    Case c;
    c.expect(unary(c.g, c({1}, {1}), UnaryKind::GeluTanh), {0.8411920f});
  }
  {
    Case c;
    c.expect(unary(c.g, c({1}, {1}), UnaryKind::QuickGelu), {1 / (1 + std::exp(-1.702f))});
  }
  {
    Case c;
    c.expect(unary(c.g, c({2}, {0, 30}), UnaryKind::Softplus), {std::log(2.0f), 30});
  }
  {
    Case c;
    c.expect(unary(c.g, c({3}, {-1, 3, 9}), UnaryKind::Relu6), {0, 3, 6});
  }
}

TEST(Executor, Reductions) {
  {
    Case c;
    c.expect(sum(c.g, c({2, 2}, {1, 2, 3, 4}), 0), {4, 6});
  }
  {
    Case c;
    c.expect(mean(c.g, c({2, 2}, {1, 2, 3, 4}), -1), {1.5f, 3.5f});
  }
  {
    Case c;
    c.expect(max(c.g, c({2, 2}, {1, 2, 4, 3}), 1), {2, 4});
  }
  {
    Case c;
    c.expect_ints(argmax(c.g, c({2, 3}, {1, 5, 5, 2, 2, 2})), {1, 0});
  }
  {
    Case c;
    c.expect_ints(top_k(c.g, c({1, 4}, {3, 7, 7, 1}), 3), {1, 2, 0});
  }
  {
    Case c;
    c.expect(softmax(c.g, c({1, 2}, {0, std::log(3.0f)})), {0.25f, 0.75f});
  }
}

TEST(Executor, Norms) {
  {
    Case c;
    c.expect(layer_norm(c.g, c({1, 2}, {1, 3}), c({2}, {2, 2}), c({2}, {1, 1}), 0), {-1, 3});
  }
  {
    Case c;
    c.expect(layer_norm(c.g, c({1, 2}, {1, 3}), {}, {}, 0), {-1, 1});
  }
  {
    Case c;
    c.expect(rms_norm(c.g, c({1, 2}, {3, 4}), c({2}, {1, 2}), 0), {0.8485281f, 2.2627417f});
  }
  {
    Case c;
    c.expect(group_norm(c.g, c({1, 2, 1}, {1, 3}), c({2}, {1, 1}), c({2}, {0, 1}), 1, 0), {-1, 2});
  }
  {
    Case c;
    Value x = c({1, 2}, {5, 6});
    c.expect(batch_norm(c.g, x, c({2}, {1, 2}), c({2}, {0, 1}), c({2}, {3, 3}), c({2}, {4, 9}), 0), {1, 3});
  }
}

TEST(Executor, Products) {
  {
    Case c;
    c.expect(linear(c.g, c({1, 2}, {1, 2}), c({2, 2}, {1, 2, 3, 4}), c({2}, {10, 20})), {15, 31});
  }
  {
    Case c;
    c.expect(matmul(c.g, c({1, 2}, {1, 2}), c({2, 2}, {1, 2, 3, 4})), {7, 10});
  }
  {
    Case c;
    c.expect(matmul(c.g, c({1, 1, 2}, {1, 2}), c({1, 2, 2}, {1, 2, 3, 4}), true), {5, 11});
  }
  {
    Case c;  // two tokens, two slots, x shared by the slots; experts are 1x, 10x, 100x
    Value x = c({2, 1, 1}, {1, 2}), w = c({3, 1, 1}, {1, 10, 100});
    c.expect(expert_linear(c.g, x, w, c.ints({2, 2}, {2, 0, 1, 2})), {100, 1, 20, 200});
  }
  {
    Case c;
    Value x = c({1, 1, 1}, {1}), w = c({3, 1, 1}, {1, 10, 100});
    EXPECT_THROW(c.run(expert_linear(c.g, x, w, c.ints({1, 1}, {3}))), Error);
  }
  {
    Case c;  // a quantized weight is decoded: 32 ones times a row of 0.5
    Tensor half = encode(tensor({1, 32}, Floats(32, 0.5f)), DType::Q8_0);
    c.expect(linear(c.g, c({1, 32}, Floats(32, 1)), c.weight(half)), {16}, 1e-2f);
  }
}

// Values are one-hot, so the result is the softmax weights. Scores: q = 1, k = ln 1, ln 2, ln 3.
struct AttentionCase : Case {
  Value k = (*this)({1, 3, 1, 1}, {0, std::log(2.0f), std::log(3.0f)});
  Value v = (*this)({1, 3, 1, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1});
};

TEST(Executor, Attention) {
  {
    AttentionCase c;
    c.expect(attention(c.g, c({1, 1, 1, 1}, {1}), c.k, c.v, {}), {1 / 6.f, 2 / 6.f, 3 / 6.f});
  }
  {
    AttentionCase c;  // two query heads on one key head; the second has q = 0 and sees all alike
    c.expect(attention(c.g, c({1, 1, 2, 1}, {1, 0}), c.k, c.v, {}),
             {1 / 6.f, 2 / 6.f, 3 / 6.f, 1 / 3.f, 1 / 3.f, 1 / 3.f});
  }
  {
    AttentionCase c;  // the two queries are the last two positions of three
    c.expect(attention(c.g, c({1, 2, 1, 1}, {1, 1}), c.k, c.v, {.causal = true}),
             {1 / 3.f, 2 / 3.f, 0, 1 / 6.f, 2 / 6.f, 3 / 6.f});
  }
  {
    AttentionCase c;
    c.expect(attention(c.g, c({1, 2, 1, 1}, {1, 1}), c.k, c.v, {.causal = true, .window = 1}), {0, 1, 0, 0, 0, 1});
  }
  {
    AttentionCase c;  // past 0: only key 0 is valid
    c.expect(attention(c.g, c({1, 1, 1, 1}, {1}), c.k, c.v, {.causal = true, .past = c.ints({1}, {0})}), {1, 0, 0});
  }
  {
    AttentionCase c;
    EXPECT_THROW(c.run(attention(c.g, c({1, 1, 1, 1}, {1}), c.k, c.v, {.past = c.ints({1}, {3})})), Error);
  }
  {
    AttentionCase c;  // a query that may see nothing gives zeros
    const float no = -std::numeric_limits<float>::infinity();
    Value mask = c({2, 3}, {no, no, no, 0, no, 0});
    c.expect(attention(c.g, c({1, 2, 1, 1}, {1, 1}), c.k, c.v, {.mask = mask}), {0, 0, 0, 0.25f, 0, 0.75f});
  }
}

TEST(Executor, Rope) {
  const float c1 = std::cos(1.0f), s1 = std::sin(1.0f), c2 = std::cos(0.01f), s2 = std::sin(0.01f);
  auto run = [&](RopeLayout layout, const Floats& expected) {
    Case c;  // position 1, base 10000, four of five channels turn
    Value x = c({1, 1, 1, 5}, {1, 2, 3, 4, 5});
    c.expect(rope(c.g, x, c.ints({1}, {1}), {10000, 4, layout, 1}), expected);
  };
  run(RopeLayout::Halves, {c1 - 3 * s1, 2 * c2 - 4 * s2, s1 + 3 * c1, 2 * s2 + 4 * c2, 5});
  run(RopeLayout::Pairs, {c1 - 2 * s1, s1 + 2 * c1, 3 * c2 - 4 * s2, 3 * s2 + 4 * c2, 5});
}

TEST(Executor, Indexing) {
  {
    Case c;
    c.expect(gather(c.g, c({3, 2}, {1, 2, 3, 4, 5, 6}), c.ints({2}, {2, 0})), {5, 6, 1, 2});
  }
  {
    Case c;
    EXPECT_THROW(c.run(gather(c.g, c({3, 2}, Floats(6)), c.ints({1}, {3}))), Error);
  }
  {
    Case c;
    EXPECT_THROW(c.run(gather(c.g, c({3, 2}, Floats(6)), c.ints({1}, {-1}))), Error);
  }
  {
    Case c;  // the last of the two rows for id 1 wins; -1 is skipped
    Value base = c({3, 1}, {0, 0, 0}), rows = c({4, 1}, {1, 2, 3, 4});
    c.expect(scatter(c.g, base, rows, c.ints({4}, {1, -1, 1, 0})), {4, 3, 0});
  }
  {
    Case c;
    EXPECT_THROW(c.run(scatter(c.g, c({2, 1}, {0, 0}), c({1, 1}, {1}), c.ints({1}, {2}))), Error);
  }
}

TEST(Executor, Pictures) {
  {
    Case c;
    c.expect(conv1d(c.g, c({1, 1, 3}, {1, 2, 3}), c({1, 1, 2}, {1, 10}), {}, {}), {21, 32});
  }
  {
    Case c;
    c.expect(conv2d(c.g, c({1, 1, 2, 2}, {1, 2, 3, 4}), c({1, 1, 2, 2}, {1, 1, 1, 1}), c({1}, {5}), {}), {15});
  }
  {
    Case c;
    c.expect(conv_transpose1d(c.g, c({1, 1, 2}, {1, 2}), c({1, 1, 2}, {1, 10}), {}, {.stride = 2}), {1, 10, 2, 20});
  }
  {
    Case c;
    c.expect(pool2d(c.g, c({1, 1, 2, 2}, {1, 2, 3, 4}), {PoolKind::Max, 2, 2, 0, false}), {4});
  }
  {
    Case c;
    c.expect(pool2d(c.g, c({1, 1, 2, 2}, {1, 2, 3, 4}), {PoolKind::Average, 2, 2, 0, false}), {2.5f});
  }
  {
    Case c;
    c.expect(interpolate(c.g, c({1, 1, 1, 2}, {0, 4}), {InterpolateKind::Bilinear, 1, 4, false}), {0, 1, 3, 4});
  }
  {
    Case c;
    c.expect(interpolate(c.g, c({1, 1, 1, 2}, {0, 4}), {InterpolateKind::Nearest, 1, 3, false}), {0, 0, 4});
  }
  {
    Case c;  // a ramp f(y, x) = x: the mean of each bin is the x of its centre
    Value ramp = c({1, 1, 2, 4}, {0, 1, 2, 3, 0, 1, 2, 3});
    c.expect(roi_align(c.g, ramp, c({1, 5}, {0, 0, 0, 2, 1}), {1, 2, 2, 1, false}), {0.5f, 1.5f});
  }
}

TEST(Executor, SelectiveScan) {
  Case c;  // one channel, one state: h = exp(delta a) h + delta b u, y = c h + skip u
  Value u = c({1, 1, 2}, {1, 2}), delta = c({1, 1, 2}, {1, 0.5f}), a = c({1, 1}, {-1});
  Value b = c({1, 1, 1, 2}, {3, 4}), out = c({1, 1, 1, 2}, {1, 2}), skip = c({1}, {10});
  float h1 = 3, h2 = std::exp(-0.5f) * h1 + 4;
  c.expect(selective_scan(c.g, u, delta, a, b, out, skip), {h1 + 10, 2 * h2 + 20}, 1e-5f);
}

TEST(Executor, Losses) {
  const float ln4 = std::log(4.0f), ln43 = std::log(4 / 3.0f);
  Floats logits = {0, std::log(3.0f), 0, std::log(3.0f)};
  {
    Case c;
    c.expect(cross_entropy(c.g, c({2, 2}, logits), c.ints({2}, {0, 1})), {(ln4 + ln43) / 2});
  }
  {
    Case c;
    c.expect(cross_entropy(c.g, c({2, 2}, logits), c.ints({2}, {0, -100})), {ln4});
  }
  {
    Case c;
    c.expect(cross_entropy(c.g, c({2, 2}, logits), c.ints({2}, {-100, -100})), {0});
  }
  {
    Case c;
    c.expect(cross_entropy(c.g, c({1, 2}, {0, 0}), c.ints({1}, {0}), -100, 0.1f), {std::log(2.0f)});
  }
  {
    Case c;
    c.expect(cross_entropy(c.g, c({2, 2}, logits), c.ints({2}, {0, -1}), -1, 0.2f), {0.8f * ln4 + 0.1f * (ln4 + ln43)});
  }
  {
    Case c;
    EXPECT_THROW(c.run(cross_entropy(c.g, c({1, 2}, {0, 0}), c.ints({1}, {2}))), Error);
  }
  {
    Case c;  // p = (1/4, 3/4), q = (1/2, 1/2)
    c.expect(kl_div(c.g, c({1, 2}, {0, 0}), c({1, 2}, {0, std::log(3.0f)})),
             {0.25f * std::log(0.5f) + 0.75f * std::log(1.5f)});
  }
  {
    Case c;
    c.expect(dropout(c.g, c({2}, {1, 2}), 0.5f), {1, 2});
  }
}

TEST(Executor, InputsOutputsAndNamedValues) {
  Graph g;
  Value x = g.input("x", DType::F32, {2});
  Value twice = g.name(affine(g, x, 2), "twice");
  g.output(affine(g, twice, 1, 1), "y");
  auto program = make_executor()->compile(std::make_shared<const Graph>(std::move(g)), {.keep_named = true});
  for (float v : {1.0f, 5.0f}) {  // a program runs many times
    program->input("x").f32()[0] = v;
    program->run();
    EXPECT_EQ(program->output("y").f32()[0], 2 * v + 1);
    EXPECT_EQ(program->output("twice").f32()[0], 2 * v);
  }
  EXPECT_GT(program->activation_bytes(), 0u);
}

TEST(Executor, CacheIsWrittenInPlace) {
  for (DType type : {DType::F32, DType::F16}) {
    auto state = std::make_shared<State>(State{"k", Tensor::make(type, {1, 4, 1, 1})});
    Graph g;
    Value past = g.input("past", DType::I32, {1});
    Value keys = kv_append(g, g.state(state), g.input("rows", DType::F32, {1, 2, 1, 1}), past);
    Value q = g.input("q", DType::F32, {1, 2, 1, 1});
    g.output(attention(g, q, keys, keys, {.causal = true, .past = past}), "y");
    auto program = make_executor()->compile(std::make_shared<const Graph>(std::move(g)));
    program->input("past").i32()[0] = 1;
    program->input("rows").f32()[0] = 0.5f;
    program->input("rows").f32()[1] = 2;
    program->run();
    Tensor cache = to_f32(state->data);
    EXPECT_EQ(Floats(cache.f32().begin(), cache.f32().end()), (Floats{0, 0.5f, 2, 0}));
    EXPECT_NEAR(program->output("y").f32()[0], 0.25f, 1e-6f);     // q = 0: the mean of keys 0 and 1
    EXPECT_NEAR(program->output("y").f32()[1], 2.5f / 3, 1e-6f);  // and of keys 0, 1 and 2
    program->input("past").i32()[0] = 3;                          // rows 3 and 4 of 4
    EXPECT_THROW(program->run(), Error);
  }
}

}  // namespace
}  // namespace galago::torch_backend
