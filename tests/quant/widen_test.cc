#include "quant/widen.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "cpu/executor.h"
#include "runtime/checkpoint.h"
#include "runtime/graphs.h"

namespace galago {
namespace {

std::vector<float> features(const Model& model, const Weights& weights, const std::vector<float>& pixels, int side) {
  auto executor = cpu::make_executor(std::make_shared<ThreadPool>(1), cpu::Mode::Fast);
  auto program = executor->compile(encode_graph(model, weights, {1, 3, side, side}));
  std::ranges::copy(pixels, program->input("pixels").f32().begin());
  program->run();
  std::span<float> rows = program->output("embeddings").f32();
  return {rows.begin(), rows.end()};
}

TEST(Widen, OnlyWhereBlocksDoNotDivideTheHiddenLayer) {
  auto model = make_model(find_family("minicpmv")->preset("2.6"), "2.6");
  EXPECT_EQ(widened(*model, find_quant_recipe("bf16")), nullptr);
  auto wide = widened(*model, find_quant_recipe("q8_0"));
  ASSERT_NE(wide, nullptr);
  for (const WeightSpec& spec : wide->weights()) {
    if (spec.name == "vision.blocks.0.mlp.fc2.weight") EXPECT_EQ(spec.shape, (Shape{1152, 4352}));
    if (spec.name == "vision.blocks.26.mlp.fc1.bias") EXPECT_EQ(spec.shape, (Shape{4352}));
  }
  EXPECT_EQ(widened(*wide, find_quant_recipe("q8_0")), nullptr);
  auto language = make_model(find_family("language")->preset("tiny"), "tiny");
  EXPECT_EQ(widened(*language, find_quant_recipe("q4_k")), nullptr);
}

TEST(Widen, ZerosStandBehindRowsAndColumns) {
  Tensor t = Tensor::make(DType::F32, {2, 3});
  std::ranges::copy(std::vector<float>{1, 2, 3, 4, 5, 6}, t.f32().begin());
  const Tensor grown = with_zeros(t, {3, 5});
  const std::vector<float> expected = {1, 2, 3, 0, 0, 4, 5, 6, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_TRUE(std::ranges::equal(grown.f32(), expected));
  EXPECT_EQ(with_zeros(t, {2, 3}).bytes(), t.bytes());
}

// The same weights in a wider tower: features of a picture equal to the last place but for the order of additions.
TEST(Widen, AWiderTowerComputesTheSame) {
  auto model = make_model(find_family("minicpmv")->preset("tiny-2.6"), "tiny");
  auto wide = widened(*model, find_quant_recipe("q8_0"));
  ASSERT_NE(wide, nullptr);
  Weights weights = random_weights(*model, 3), wide_weights;
  for (const WeightSpec& spec : wide->weights())
    if (auto found = weights.find(spec.name); found != weights.end())
      wide_weights[spec.name] =
          std::make_shared<Weight>(Weight{spec.name, with_zeros(found->second->data, spec.shape)});
  const int side = 3 * 14;
  Rng rng(1);
  std::vector<float> pixels(3 * side * side);
  for (float& v : pixels) v = static_cast<float>(rng.uniform(-1, 1));
  const std::vector<float> a = features(*model, weights, pixels, side), b = features(*wide, wide_weights, pixels, side);
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-5) << i;
}

}  // namespace
}  // namespace galago
