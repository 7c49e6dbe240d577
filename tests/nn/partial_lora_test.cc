// Partial LoRA in nn::linear: golden values made by the published module of InternLM/InternLM-XComposer on weights
// that follow from their names (tests/support/golden.h), rank 2, alpha 4; and the rows it must leave alone.
#include <gtest/gtest.h>

#include "base/error.h"
#include "nn/layers.h"
#include "tests/support/executors.h"
#include "tests/support/golden.h"

namespace galago::testing {
namespace {

constexpr double kElement = 2e-5, kSum = 5e-4;  // sums of 384 values printed with six digits

const std::string kWqkv = "model.layers.0.attention.wqkv.";

Tensor times(Tensor tensor, float factor) {
  for (float& value : tensor.f32()) value *= factor;
  return tensor;
}

// wqkv of a model with 4 heads and 2 key heads of width 16, as it lies in the file.
Weights wqkv() {
  Weights weights;
  auto add = [&](const char* name, Tensor data) {
    weights[name] = std::make_shared<Weight>(Weight{name, std::move(data)});
  };
  add("w.weight", mixed_tensor(kWqkv + "weight", {128, 64}));
  add("w.plora_a", mixed_tensor(kWqkv + "Plora_A.weight", {2, 64}));
  add("w.plora_b", times(mixed_tensor(kWqkv + "Plora_B.weight", {128, 2}), 2));  // alpha / rank
  return weights;
}

std::vector<float> run(Executor& executor, const Weights& weights, std::vector<int32_t> picture_rows, bool with_mask) {
  auto graph = std::make_shared<Graph>();
  Value x = graph->input("x", DType::F32, {1, 3, 64});
  Scope s(*graph, weights);
  if (with_mask) s = s.with_picture_rows(graph->input("at", DType::I32, {std::ssize(picture_rows)}));
  graph->output(linear(s / "w", x), "y");
  auto program = executor.compile(graph);
  Tensor z = mixed_values("z", {1, 3, 64});
  std::copy(z.f32().begin(), z.f32().end(), program->input("x").f32().begin());
  if (with_mask) std::copy(picture_rows.begin(), picture_rows.end(), program->input("at").i32().begin());
  program->run();
  std::span<float> y = program->output("y").f32();
  return {y.begin(), y.end()};
}

void expect_values(const std::vector<float>& got, const std::vector<float>& first, const std::vector<float>& last,
                   double sum, double sum_abs, const std::string& what) {
  double total = 0, total_abs = 0;
  for (float value : got) total += value, total_abs += std::abs(value);
  EXPECT_NEAR(total, sum, kSum) << what;
  EXPECT_NEAR(total_abs, sum_abs, kSum) << what;
  for (size_t i = 0; i < first.size(); ++i) EXPECT_NEAR(got[i], first[i], kElement) << what << " " << i;
  for (size_t i = 0; i < last.size(); ++i)
    EXPECT_NEAR(got[got.size() - last.size() + i], last[i], kElement) << what << " last " << i;
}

TEST(MixedTensors, AreTheAgreedOnes) {
  const float want[] = {-0.55448031f, 0.61720967f, -0.14243054f, -0.07321393f};
  for (uint32_t i = 0; i < 4; ++i) EXPECT_NEAR(mixed_uniform("pixel_values", i), want[i], 1e-8);
}

TEST(PartialLora, PublishedValuesOnEveryExecutor) {
  Weights weights = wqkv();
  for (auto& [name, executor] : all_executors()) {
    expect_values(run(*executor, weights, {1, 2}, true), {0.316284f, -0.407503f, 0.197524f, -1.129962f},
                  {1.191790f, 1.037580f, 1.914272f, -2.098500f}, -29.5813, 432.4918, name + " mask 0 1 1");
    expect_values(run(*executor, weights, {}, false), {0.316284f, -0.407503f, 0.197524f, -1.129962f},
                  {-0.285656f, 0.517110f, 0.017345f, -0.590623f}, -16.7596, 174.4208, name + " no mask");
  }
}

TEST(PartialLora, ActsOnTheNamedRowsOnlyInAnyOrder) {
  Weights weights = wqkv();
  for (auto& [name, executor] : all_executors()) {
    std::vector<float> plain = run(*executor, weights, {}, false), all = run(*executor, weights, {0, 1, 2}, true);
    EXPECT_EQ(run(*executor, weights, {}, true), plain) << name << ": no picture rows";
    std::vector<float> two = run(*executor, weights, {2, 0}, true);
    for (size_t i = 0; i < plain.size(); ++i) {
      bool is_picture = i / 128 != 1;
      // The same sums in another order of rows: kernels may round differently.
      ASSERT_NEAR(two[i], is_picture ? all[i] : plain[i], 1e-6) << name << " row " << i / 128;
    }
    EXPECT_NE(all[0], plain[0]);
    // Sessions fill left-over places with the last row again: it counts once.
    std::vector<float> repeated = run(*executor, weights, {2, 0, 0, 0}, true);
    for (size_t i = 0; i < plain.size(); ++i) ASSERT_NEAR(repeated[i], two[i], 1e-6) << name << " row " << i / 128;
  }
}

TEST(PartialLora, WithoutLowRankWeightsRowsMakeNoDifference) {
  Weights weights = wqkv();
  weights.erase("w.plora_a");
  for (auto& [name, executor] : all_executors())
    EXPECT_EQ(run(*executor, weights, {1}, true), run(*executor, weights, {}, false)) << name;
}

}  // namespace
}  // namespace galago::testing
