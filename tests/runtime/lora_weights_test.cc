// An adapter beside the weights gives what the merged one gives.
#include "runtime/lora_weights.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/rng.h"
#include "runtime/checkpoint.h"
#include "tests/models/text_logits.h"
#include "tests/support/executors.h"
#include "tests/support/temporary_folder.h"

namespace galago::testing {
namespace {

Tensor random_matrix(int64_t rows, int64_t cols, Rng& rng) {
  Tensor matrix = Tensor::make(DType::F32, {rows, cols});
  for (float& value : matrix.f32()) value = 0.3f * static_cast<float>(rng.normal());
  return matrix;
}

LoraPair random_pair(const std::string& target, const Shape& shape, Rng& rng) {
  constexpr int64_t kRank = 3;
  return {target, random_matrix(kRank, shape[1], rng), random_matrix(shape[0], kRank, rng), 0.5f};
}

std::string error_of(Weights weights, const Model& model, const LoraAdapter& adapter) {
  try {
    add_adapter(weights, model, adapter);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

// A random checkpoint on disk, and an adapter of each of its linear layers.
class ApartLora : public ::testing::TestWithParam<std::pair<const char*, const char*>> {
 protected:
  void SetUp() override {
    auto [family, preset] = GetParam();
    auto model = make_model(find_family(family)->preset(preset), family);
    save_checkpoint(folder_.path(), *model, random_weights(*model, 3), nullptr);
    base_ = open_weights(folder_.path());
    plain_ = load_checkpoint(folder_.path());
    Rng rng(4);
    adapter_.path = "adapter";
    for (const std::string& name : base_->names()) {
      const Shape shape = base_->get(name).shape();
      if (shape.rank() != 2) continue;
      LoraPair pair = random_pair(name, shape, rng);
      if (error_of(plain_.weights, *plain_.model, {.path = "one", .pairs = {pair}}).empty())
        adapter_.pairs.push_back(std::move(pair));
    }
  }

  std::vector<float> logits(const Weights& weights) {
    const bool sees = !plain_.model->pictures().policy.empty();
    std::vector<Image> pictures(sees ? 1 : 0, make_image(40, 30, {200, 90, 20}));
    return logits_of(*plain_.model, weights, *all_executors()[0].executor, {5, 9, 2, 30}, pictures);
  }

  TemporaryFolder folder_;
  std::shared_ptr<const WeightSource> base_;
  Checkpoint plain_;
  LoraAdapter adapter_;
};

TEST_P(ApartLora, GivesTheLogitsOfTheMergedOne) {
  ASSERT_GE(adapter_.pairs.size(), 8u);  // two blocks of four matrices, if they are packed
  Weights apart = plain_.weights;
  add_adapter(apart, *plain_.model, adapter_);
  Weights merged = load_weights(*plain_.model, LoraSource(base_, adapter_), WeightNames::Reference);
  const std::vector<float> want = logits(merged);
  EXPECT_GT(relative_difference(logits(plain_.weights), want), 0.01);
  EXPECT_LT(relative_difference(logits(apart), want), 1e-4);  // sums in another order, through all layers
  for (const auto& [name, weight] : plain_.weights) EXPECT_EQ(apart.at(name), weight) << name;
}

TEST_P(ApartLora, TwoAdaptersAddUp) {
  LoraAdapter half = adapter_;
  for (LoraPair& pair : half.pairs) pair.scale /= 2;
  Weights once = plain_.weights, twice = plain_.weights;
  add_adapter(once, *plain_.model, adapter_);
  for (int i = 0; i < 2; ++i) add_adapter(twice, *plain_.model, half);
  EXPECT_LT(relative_difference(logits(twice), logits(once)), 1e-4);
}

// Packed by key heads, packed and stacked, apart, transposed, beside a vision tower.
INSTANTIATE_TEST_SUITE_P(Layouts, ApartLora,
                         ::testing::Values(std::pair("language", "tiny-llama"), std::pair("language", "tiny-internlm2"),
                                           std::pair("language", "tiny-gpt_neox"), std::pair("minicpmv", "tiny-2.6"),
                                           std::pair("internvl", "tiny")),
                         [](const auto& info) {
                           std::string name = fmt::format("{}_{}", info.param.first, info.param.second);
                           for (char& c : name)
                             if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
                           return name;
                         });

TEST(ApartLoraErrors, NameTheTarget) {
  auto model = make_model(find_family("language")->preset("tiny-llama"), "test");
  Weights weights = random_weights(*model, 1);
  Rng rng(2);
  auto error = [&](const std::string& target, const Shape& shape) {
    return error_of(weights, *model, {.path = "adapter", .pairs = {random_pair(target, shape, rng)}});
  };
  EXPECT_NE(error("model.layers.9.mlp.up_proj.weight", {96, 64}).find("layers.9"), std::string::npos);
  EXPECT_NE(error("model.layers.0.mlp.up_proj.weight", {64, 64}).find("cannot take"), std::string::npos);
  EXPECT_NE(error("model.embed_tokens.weight", {320, 64}).find("not a linear layer"), std::string::npos);
  LoraAdapter whole{.path = "adapter", .replaced = {{"model.norm.weight", Tensor::make(DType::F32, {64})}}};
  EXPECT_NE(error_of(weights, *model, whole).find("whole weights"), std::string::npos);
}

}  // namespace
}  // namespace galago::testing
