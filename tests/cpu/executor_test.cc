// What programs promise beyond the ops: inputs persist, states live across runs, errors are sentences.
#include "cpu/executor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "cpu/kernels/kernels.h"
#include "graph/builder.h"

namespace galago::cpu {
namespace {

std::shared_ptr<ThreadPool> pool() {
  static const auto shared = std::make_shared<ThreadPool>(2);
  return shared;
}

class Modes : public ::testing::TestWithParam<Mode> {
 protected:
  std::unique_ptr<Executor> executor_ = make_executor(pool(), GetParam());
};
INSTANTIATE_TEST_SUITE_P(Executor, Modes, ::testing::Values(Mode::Fast, Mode::Scalar),
                         [](const auto& info) { return info.param == Mode::Fast ? "fast" : "scalar"; });

TEST_P(Modes, InputsKeepTheirValuesBetweenRuns) {
  auto g = std::make_shared<Graph>();
  Value x = g->input("x", DType::F32, {3});
  g->output(unary(*g, affine(*g, unary(*g, x, UnaryKind::Exp), 0.5f), UnaryKind::Log), "y");
  auto program = executor_->compile(g);
  program->input("x").f32()[1] = 2;
  program->run();
  program->run();
  EXPECT_EQ(program->input("x").f32()[1], 2);
  EXPECT_NEAR(program->output("y").f32()[1], 2 - std::log(2.0), 1e-6);
}

TEST_P(Modes, StatesLiveAcrossRunsAndGrow) {
  auto cache = std::make_shared<State>(State{"cache", Tensor::make(DType::F16, {1, 4, 2})});
  auto g = std::make_shared<Graph>();
  Value rows = g->input("rows", DType::F32, {1, 1, 2}), past = g->input("past", DType::I32, {1});
  kv_append(*g, g->state(cache), rows, past);  // nobody reads the result: it runs all the same
  auto program = executor_->compile(g);
  for (int32_t i = 0; i < 3; ++i) {
    program->input("past").i32()[0] = i;
    program->input("rows").f32()[0] = static_cast<float>(i + 1);
    program->run();
  }
  Tensor values = to_f32(cache->data);
  EXPECT_EQ(std::vector<float>(values.f32().begin(), values.f32().end()), (std::vector<float>{1, 0, 2, 0, 3, 0, 0, 0}));
  program->input("past").i32()[0] = 4;
  EXPECT_THROW(program->run(), Error);
  program->input("past").i32()[0] = -1;
  EXPECT_THROW(program->run(), Error);
}

TEST_P(Modes, OneMemoryForInputAndOutputOfAViewIsFine) {
  auto g = std::make_shared<Graph>();
  Value x = g->input("x", DType::F32, {2, 3});
  g->output(reshape(*g, x, {6}), "flat");
  auto program = executor_->compile(g);
  program->input("x").f32()[5] = 7;
  program->run();
  EXPECT_EQ(program->output("flat").f32()[5], 7);
}

TEST_P(Modes, IdsOutOfRangeThrowAndTheProgramStaysUsable) {
  auto g = std::make_shared<Graph>();
  Value table = g->input("table", DType::F32, {3, 2}), ids = g->input("ids", DType::I32, {2});
  g->output(gather(*g, table, ids), "rows");
  auto program = executor_->compile(g);
  for (int32_t bad : {3, -1, INT32_MAX, INT32_MIN}) {
    program->input("ids").i32()[1] = bad;
    EXPECT_THROW(program->run(), Error) << bad;
  }
  program->input("ids").i32()[1] = 2;
  EXPECT_NO_THROW(program->run());
}

TEST_P(Modes, ScatterAndLossCheckTheirIds) {
  auto g = std::make_shared<Graph>();
  Value base = g->input("base", DType::F32, {3, 2}), rows = g->input("rows", DType::F32, {1, 2});
  Value ids = g->input("ids", DType::I32, {1});
  g->output(scatter(*g, base, rows, ids), "out");
  auto program = executor_->compile(g);
  for (int32_t bad : {3, -2}) {
    program->input("ids").i32()[0] = bad;
    EXPECT_THROW(program->run(), Error) << bad;
  }
  auto loss = std::make_shared<Graph>();
  Value logits = loss->input("logits", DType::F32, {1, 4}), targets = loss->input("targets", DType::I32, {1});
  loss->output(cross_entropy(*loss, logits, targets), "loss");
  auto loss_program = executor_->compile(loss);
  loss_program->input("targets").i32()[0] = 4;
  EXPECT_THROW(loss_program->run(), Error);
}

TEST_P(Modes, NamedValuesCanBeKept) {
  auto g = std::make_shared<Graph>();
  Value x = g->input("x", DType::F32, {4});
  Value a = g->name(affine(*g, x, 2, 1), "a");
  g->output(unary(*g, a, UnaryKind::Neg), "y");
  auto program = executor_->compile(g, {.keep_named = true});
  program->run();
  EXPECT_EQ(program->output("a").f32()[0], 1);
  EXPECT_EQ(program->output("y").f32()[0], -1);
  EXPECT_THROW(program->output("nobody"), Error);
  EXPECT_THROW(program->input("y"), Error);
}

// Programs compiled by several threads share packed weights, and a weight's memory may be given back and used again.
TEST(Executor, CompilesFromSeveralThreads) {
  auto executor = make_executor(pool());
  auto compile_many = [&](float scale) {
    for (int i = 0; i < 20; ++i) {
      Tensor values = Tensor::make(DType::F32, {33, 40});
      for (float& v : values.f32()) v = scale;
      auto weight = std::make_shared<Weight>(Weight{"w", values});
      auto g = std::make_shared<Graph>();
      g->output(linear(*g, g->input("x", DType::F32, {2, 40}), g->weight(weight)), "y");
      auto first = executor->compile(g), second = executor->compile(g);
      EXPECT_TRUE(first && second);
    }
  };
  std::thread other(compile_many, 2.0f);
  compile_many(3.0f);
  other.join();
  auto g = std::make_shared<Graph>();
  Tensor ones = Tensor::make(DType::F32, {3, 4});
  for (float& v : ones.f32()) v = 1;
  g->output(linear(*g, g->input("x", DType::F32, {4}), g->weight(std::make_shared<Weight>(Weight{"w", ones}))), "y");
  auto program = executor->compile(g);
  for (float& v : program->input("x").f32()) v = 2;
  program->run();
  for (float v : program->output("y").f32()) EXPECT_EQ(v, 8);
}

TEST(Kernels, LevelsHaveNames) {
  for (Isa isa : available_isas()) {
    ScopedIsa forced(isa);
    EXPECT_EQ(kernels().isa, isa);
    EXPECT_FALSE(to_string(isa).empty());
  }
  EXPECT_EQ(available_isas().front(), Isa::Scalar);
}

}  // namespace
}  // namespace galago::cpu
