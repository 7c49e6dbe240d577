// Program::run() must not touch the heap: a token is decoded with the memory that compile() planned.
#include <gtest/gtest.h>

#include <array>

#include "cpu/executor.h"
#include "cpu/footprint.h"
#include "graph/builder.h"
#include "tests/support/count_allocations.h"

namespace galago {
namespace {

Value make_weight(Graph& g, const Shape& shape, DType dtype = DType::F32) {
  static int n = 0;
  Tensor values = Tensor::make(DType::F32, shape);
  for (int64_t i = 0; i < values.elements(); ++i) values.f32()[i] = 0.01f * static_cast<float>(i % 17 - 8);
  if (dtype != DType::F32) values = encode(values, dtype);
  return g.weight(std::make_shared<Weight>(Weight{"w" + std::to_string(n++), values}));
}

// A decoder layer in small: every kind of memory (arena, weights plain and packed, states, scratch) takes part.
std::shared_ptr<Graph> make_layer(int tokens) {
  auto graph = std::make_shared<Graph>();
  Graph& g = *graph;
  constexpr int kModel = 64, kHeads = 4, kHead = 16, kCache = 40;
  Value ids = g.input("ids", DType::I32, {tokens}), positions = g.input("positions", DType::I32, {tokens});
  Value past = g.input("past", DType::I32, {1});
  auto cache = [&](const char* name) {
    return g.state(std::make_shared<State>(State{name, Tensor::make(DType::F16, {1, kCache, kHeads, kHead})}));
  };
  Value keys = cache("k"), values = cache("v");
  Value x = gather(g, make_weight(g, {100, kModel}, DType::Q8_0), ids);
  Value h = rms_norm(g, x, make_weight(g, {kModel}), 1e-5f);
  auto heads = [&](Value v) { return reshape(g, v, {1, tokens, kHeads, kHead}); };
  RopeAttrs rope_attrs{1e4f, kHead, RopeLayout::Halves, 1};
  Value q = rope(g, heads(linear(g, h, make_weight(g, {kModel, kModel}, DType::Q4_0))), positions, rope_attrs);
  Value k = rope(g, heads(linear(g, h, make_weight(g, {kModel, kModel}, DType::Q8_0))), positions, rope_attrs);
  Value v = heads(linear(g, h, make_weight(g, {kModel, kModel})));
  keys = kv_append(g, keys, k, past);
  values = kv_append(g, values, v, past);
  AttentionOptions options{.scale = 0.25f, .causal = true, .past = past};
  Value a = reshape(g, attention(g, q, keys, values, options), {tokens, kModel});
  x = add(g, x, linear(g, a, make_weight(g, {kModel, kModel}, DType::F16)));
  h = glu(g, linear(g, x, make_weight(g, {128, kModel})), linear(g, x, make_weight(g, {128, kModel})), UnaryKind::Silu);
  x = add(g, x, linear(g, h, make_weight(g, {kModel, 128})));
  g.output(softmax(g, layer_norm(g, x, {}, {}, 1e-5f)), "probabilities");
  g.output(top_k(g, x, 3), "best");
  return graph;
}

TEST(NoAllocation, RunAllocatesNothing) {
  if (!COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer owns operator new";
  auto executor = cpu::make_executor(std::make_shared<ThreadPool>(3));
  for (int tokens : {1, 9}) {
    auto program = executor->compile(make_layer(tokens));
    for (int32_t run = 0; run < 3; ++run) {
      program->input("past").i32()[0] = run;
      int64_t before = n_allocations;
      program->run();
      EXPECT_EQ(n_allocations - before, 0) << "run " << run << " of " << tokens << " tokens";
    }
    EXPECT_GT(program->activation_bytes(), 0u);
  }
}

TEST(NoAllocation, TheMemoryIsToldBeforehand) {
  constexpr int kThreads = 3;
  auto executor = cpu::make_executor(std::make_shared<ThreadPool>(kThreads));
  for (int tokens : {1, 9}) {
    auto layer = make_layer(tokens);
    EXPECT_EQ(cpu::program_bytes(*layer, kThreads), executor->compile(layer)->activation_bytes()) << tokens;
  }
}

TEST(NoAllocation, TheCounterCounts) {
  if (!COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer owns operator new";
  int64_t before = n_allocations;
  delete std::make_unique<std::array<int, 100>>().release();
  EXPECT_GT(n_allocations, before);
}

}  // namespace
}  // namespace galago
