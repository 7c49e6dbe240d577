// The Q-Former's structure; its values are golden numbers of tests/models/tinygptv_test.cc.
#include "nn/qformer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/executors.h"
#include "tests/support/golden.h"

namespace galago::testing {
namespace {

const QFormerConfig kConfig{.n_queries = 3, .d_model = 16, .d_ffn = 24, .n_heads = 2, .n_blocks = 3, .d_vision = 20};

void put(Weights& weights, const std::string& name, const Shape& shape) {
  weights[name] = std::make_shared<Weight>(Weight{name, hashed_tensor(name, shape, false)});
}

void put_norm(Weights& weights, const std::string& name) {  // gain 1, bias 0
  Tensor gain = Tensor::make(DType::F32, {kConfig.d_model}), bias = Tensor::make(DType::F32, {kConfig.d_model});
  std::ranges::fill(gain.f32(), 1.0f);
  std::ranges::fill(bias.f32(), 0.0f);
  weights[name + ".weight"] = std::make_shared<Weight>(Weight{name + ".weight", gain});
  weights[name + ".bias"] = std::make_shared<Weight>(Weight{name + ".bias", bias});
}

void put_linear(Weights& weights, const std::string& name, int64_t n_out, int64_t n_in) {
  put(weights, name + ".weight", {n_out, n_in});
  put(weights, name + ".bias", {n_out});
}

// Blocks 0 and 2 have weights for the picture, block 1 has none: reading one would throw.
Weights make_weights() {
  Weights weights;
  int64_t d = kConfig.d_model;
  put(weights, "query", {1, kConfig.n_queries, d});
  put_norm(weights, "norm");
  for (int i = 0; i < kConfig.n_blocks; ++i) {
    std::string block = "blocks." + std::to_string(i);
    for (const char* attention : {".attn", ".cross"}) {
      bool cross = attention == std::string(".cross");
      if (cross && !kConfig.crosses(i)) continue;
      for (const char* own : {".q", ".k", ".v", ".proj"}) {
        bool keys = own == std::string(".k") || own == std::string(".v");
        put_linear(weights, block + attention + own, d, cross && keys ? kConfig.d_vision : d);
      }
      put_norm(weights, block + attention + "_norm");
    }
    put_linear(weights, block + ".mlp.fc1", kConfig.d_ffn, d);
    put_linear(weights, block + ".mlp.fc2", d, kConfig.d_ffn);
    put_norm(weights, block + ".mlp_norm");
  }
  return weights;
}

std::vector<float> run(Executor& executor, const Tensor& picture) {
  static const Weights kWeights = make_weights();
  auto graph = std::make_shared<Graph>();
  Value x = graph->input("picture", DType::F32, picture.shape());
  graph->output(qformer(Scope(*graph, kWeights), x, kConfig), "queries");
  auto program = executor.compile(graph);
  std::ranges::copy(picture.f32(), program->input("picture").f32().begin());
  program->run();
  std::span<float> out = program->output("queries").f32();
  return {out.begin(), out.end()};
}

TEST(QFormer, NormsStandLast) {
  for (auto& [name, executor] : all_executors()) {
    std::vector<float> out = run(*executor, hashed_tensor("picture", {1, 5, 20}, true));
    ASSERT_EQ(out.size(), 3u * 16u);
    for (size_t query = 0; query < 3; ++query) {
      double sum = 0, sumsq = 0;
      for (size_t i = 0; i < 16; ++i) sum += out[query * 16 + i], sumsq += out[query * 16 + i] * out[query * 16 + i];
      EXPECT_NEAR(sum, 0, 1e-5) << name;  // 16 floats about 1
      EXPECT_NEAR(sumsq, 16, 1e-4) << name;
    }
  }
}

TEST(QFormer, PicturesOfABatchDoNotMix) {
  Tensor two = hashed_tensor("pictures", {2, 5, 20}, true);
  for (auto& [name, executor] : all_executors()) {
    std::vector<float> both = run(*executor, two), alone;
    for (int64_t i = 0; i < 2; ++i) {
      std::vector<float> one = run(*executor, two.rows(i, i + 1));
      alone.insert(alone.end(), one.begin(), one.end());
    }
    ASSERT_EQ(both.size(), alone.size());
    float change = 0;
    for (size_t i = 0; i < both.size(); ++i) {
      EXPECT_NEAR(both[i], alone[i], 1e-6) << name;  // another order of sums at most
      if (i < 48) change = std::max(change, std::abs(both[i] - both[i + 48]));
    }
    EXPECT_GT(change, 0.01) << "the pictures are not seen";
  }
}

TEST(QFormer, TheOrderOfThePicturesTokensIsNotSeen) {
  Tensor picture = hashed_tensor("picture", {1, 5, 20}, true), reversed = Tensor::make(DType::F32, {1, 5, 20});
  for (int64_t i = 0; i < 5; ++i)
    std::copy_n(picture.f32().begin() + i * 20, 20, reversed.f32().begin() + (4 - i) * 20);
  for (auto& [name, executor] : all_executors()) {
    std::vector<float> a = run(*executor, picture), b = run(*executor, reversed);
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 2e-6) << name;  // sums in another order
  }
}

}  // namespace
}  // namespace galago::testing
