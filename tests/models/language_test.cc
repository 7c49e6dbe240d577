// Every architecture of models/language.cc on tiny models with hashed weights: files both ways, the cache, and what the
// papers say must be equal. Parity with transformers: language_parity_test.cc.
#include "models/language.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/models/golden_model.h"
#include "tests/models/llama_cpp_files.h"
#include "tests/models/text_logits.h"
#include "tests/support/executors.h"
#include "tests/support/temporary_folder.h"

namespace galago::testing {
namespace {

// Sums of float32 in another order; logits of these models are around 1.
constexpr double kRounding = 1e-5;

const std::vector<int32_t> kIds = {1, 17, 200, 44, 44, 319, 5, 9, 2};

struct ArchitectureCase {
  std::string preset;
  LlamaCppOptions file;
};

const ArchitectureCase kCases[] = {
    {"tiny", {"minicpm", true}},     {"tiny-moe", {"minicpm", true}},
    {"tiny-minicpm3", {"minicpm3"}}, {"tiny-minicpm4", {"minicpm", true}},
    {"tiny-llama", {"llama", true}}, {"tiny-qwen2", {"qwen2"}},
    {"tiny-qwen3", {"qwen3"}},       {"tiny-internlm2", {"internlm2", true}},
    {"tiny-phi", {"phi2"}},          {"tiny-gpt_neox", {.architecture = "gptneox", .stack_qkv = true}}};

Json preset(std::string_view size) { return find_family("language")->preset(size); }

std::unique_ptr<Executor> cpu_executor() { return cpu::make_executor(std::make_shared<ThreadPool>(2)); }

std::vector<float> logits_of(const GoldenModel& m, Executor& executor) {
  return testing::logits_of(*m.model, m.weights, executor, kIds);
}

class EveryArchitecture : public ::testing::TestWithParam<ArchitectureCase> {
 protected:
  GoldenModel model_ = golden_model(preset(GetParam().preset));
};

TEST_P(EveryArchitecture, SavedFolderGivesTheSameLogits) {
  auto executor = cpu_executor();
  TemporaryFolder folder;
  save_checkpoint(folder.path(), *model_.model, model_.weights, nullptr);
  Checkpoint loaded = load_checkpoint(folder.path());
  EXPECT_EQ(testing::logits_of(*loaded.model, loaded.weights, *executor, kIds), logits_of(model_, *executor));
}

TEST_P(EveryArchitecture, LlamaCppFileGivesTheSameLogits) {
  auto executor = cpu_executor();
  TemporaryFolder folder;
  const std::string path = folder.file("model.gguf");
  write_llama_cpp_text(path, model_.model->config(), model_.weights, GetParam().file);
  GgufFile file = GgufFile::open(path);
  auto model = make_model(find_family("language")->from_gguf(file, nullptr), path);
  Weights weights = load_weights(*model, file, WeightNames::LlamaCpp);
  EXPECT_EQ(testing::logits_of(*model, weights, *executor, kIds), logits_of(model_, *executor));
}

TEST_P(EveryArchitecture, ChunksOfAnySizeThroughTheCacheGiveTheSameLogits) {
  for (auto& [name, executor] : all_executors()) {
    std::vector<float> whole = logits_of(model_, *executor);
    std::span<const float> last = std::span(whole).last(static_cast<size_t>(model_.model->n_vocab()));
    for (int chunk : {1, 4, 9})
      EXPECT_LT(relative_difference(cached_logits_of(*model_.model, model_.weights, *executor, kIds, chunk), last),
                kRounding)
          << name << " chunk " << chunk;
  }
}

TEST_P(EveryArchitecture, ExecutorsAgree) {
  auto executors = all_executors();
  std::vector<float> want = logits_of(model_, *executors[0].executor);
  for (auto& [name, executor] : executors)
    EXPECT_LT(relative_difference(logits_of(model_, *executor), want), kRounding) << name;
}

INSTANTIATE_TEST_SUITE_P(Language, EveryArchitecture, ::testing::ValuesIn(kCases), [](const auto& info) {
  std::string name = info.param.preset;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(Language, MiniCpmFilesWithoutScalesHaveThePublishedOnes) {
  Json config = preset("tiny");
  config["dim_model_base"] = 256;
  GoldenModel m = golden_model(config);
  auto executor = cpu_executor();
  TemporaryFolder folder;
  const std::string path = folder.file("minicpm-2024.gguf");
  write_llama_cpp_text(path, config, m.weights, {.architecture = "minicpm", .permute = true, .scale_keys = false});
  GgufFile file = GgufFile::open(path);
  ASSERT_FALSE(file.has_key("minicpm.embedding_scale"));
  auto model = make_model(find_family("language")->from_gguf(file, nullptr), path);
  Weights weights = load_weights(*model, file, WeightNames::LlamaCpp);
  EXPECT_EQ(testing::logits_of(*model, weights, *executor, kIds), logits_of(m, *executor));
}

Tensor times(const Tensor& x, double factor) {
  Tensor y = Tensor::make(DType::F32, x.shape());
  for (size_t i = 0; i < y.f32().size(); ++i) y.f32()[i] = static_cast<float>(factor * x.f32()[i]);
  return y;
}

void set(Weights& weights, const std::string& name, const Tensor& data) {
  weights[name] = std::make_shared<Weight>(Weight{name, data});
}

// minicpm.md section 1, "Folding into a plain Llama graph".
TEST(Language, MiniCpmFoldedIntoLlamaGivesTheSameLogits) {
  GoldenModel m = golden_model(preset("tiny"));
  m.weights.erase("text.head.weight");  // tied
  Json config = m.model->config();
  double embed = config["scale_emb"], residual = config["scale_depth"].get<double>() / std::sqrt(2.0);
  double logit = config["hidden_size"].get<double>() / config["dim_model_base"].get<double>();
  for (const char* field : {"scale_emb", "scale_depth", "dim_model_base"}) config.erase(field);
  config.update({{"model_type", "llama"}, {"tie_word_embeddings", false}});
  Weights folded = m.weights;
  Tensor table = m.weights["text.token_embed.weight"]->data;
  set(folded, "text.token_embed.weight", times(table, embed));
  set(folded, "text.head.weight", times(table, 1 / logit));
  for (auto& [name, weight] : m.weights)
    if (name.ends_with("attn.proj.weight") || name.ends_with("mlp.down.weight"))
      set(folded, name, times(weight->data, residual));
  auto executor = cpu_executor();
  auto llama = make_model(config, "folded");
  EXPECT_LT(relative_difference(testing::logits_of(*llama, folded, *executor, kIds), logits_of(m, *executor)),
            kRounding);
}

TEST(Language, NullScalesOfMiniCpmMeanNone) {
  Json config = preset("tiny");
  config["scale_depth"] = config["dim_model_base"] = nullptr;
  Language language = read_language(config, "test");
  EXPECT_EQ(language.decoder.residual_scale, 1);
  EXPECT_EQ(language.decoder.logit_scale, 1);
}

// [E, rows, cols] of E copies.
Tensor copies(const Tensor& w, int64_t n) {
  Tensor all = Tensor::make(DType::F32, {n, w.shape()[0], w.shape()[1]});
  for (int64_t e = 0; e < n; ++e)
    std::copy(w.f32().begin(), w.f32().end(), all.f32().begin() + e * w.shape().elements());
  return all;
}

// minicpm.md section 10: experts that are copies, weights that sum to 1.
TEST(Language, UpcycledMixtureEqualsTheDenseModel) {
  GoldenModel dense = golden_model(preset("tiny"));
  Json config = preset("tiny");
  config.update({{"num_experts", 8}, {"num_experts_per_tok", 2}});
  GoldenModel mixture = golden_model(config);  // its routers stay
  for (auto& [name, weight] : dense.weights) {
    bool expert = name.find(".mlp.") != name.npos;
    set(mixture.weights, name, expert ? copies(weight->data, 8) : weight->data);
  }
  for (auto& [name, executor] : all_executors())
    EXPECT_LT(relative_difference(logits_of(mixture, *executor), logits_of(dense, *executor)), kRounding) << name;
}

// One expert layer by its definition in double: softmax over all experts, the best two, weights that sum to 1.
std::vector<double> expert_layer(const Weights& w, std::span<const float> x, int n_experts, int d, int ffn) {
  auto dot = [&](const char* name, int row) {
    double sum = 0;
    for (int i = 0; i < d; ++i)
      sum += static_cast<double>(w.find(name)->second->data.f32()[static_cast<size_t>(row * d + i)]) * x[i];
    return sum;
  };
  std::vector<std::pair<double, int>> score;
  for (int e = 0; e < n_experts; ++e) score.push_back({std::exp(dot("router.weight", e)), e});
  std::sort(score.rbegin(), score.rend());
  double total = score[0].first + score[1].first;
  std::vector<double> y(static_cast<size_t>(d));
  for (int best = 0; best < 2; ++best)
    for (int j = 0; j < ffn; ++j) {
      int row = score[best].second * ffn + j;
      double gate = dot("gate.weight", row), hidden = gate / (1 + std::exp(-gate)) * dot("up.weight", row);
      for (int i = 0; i < d; ++i)
        y[i] += score[best].first / total * hidden *
                w.find("down.weight")->second->data.f32()[static_cast<size_t>((score[best].second * d + i) * ffn + j)];
    }
  return y;
}

TEST(Language, ExpertsAreTheBestTwoWithWeightsThatSumToOne) {
  constexpr int kExperts = 5, kWidth = 12, kFfn = 7, kTokens = 6;
  Weights w;
  set(w, "router.weight", hashed_tensor("router", {kExperts, kWidth}, true));
  set(w, "gate.weight", hashed_tensor("gate", {kExperts, kFfn, kWidth}, true));
  set(w, "up.weight", hashed_tensor("up", {kExperts, kFfn, kWidth}, true));
  set(w, "down.weight", hashed_tensor("down", {kExperts, kWidth, kFfn}, true));
  Tensor x = hashed_tensor("x", {kTokens, kWidth}, true);
  MlpOptions options{.gated = true, .activation = UnaryKind::Silu, .n_experts = kExperts, .n_experts_used = 2};
  for (auto& [name, executor] : all_executors()) {
    auto graph = std::make_shared<Graph>();
    graph->output(mlp(Scope(*graph, w), graph->input("x", DType::F32, x.shape()), options), "y");
    auto program = executor->compile(graph);
    std::copy(x.f32().begin(), x.f32().end(), program->input("x").f32().begin());
    program->run();
    for (int t = 0; t < kTokens; ++t) {
      std::vector<double> want = expert_layer(w, x.f32().subspan(t * kWidth, kWidth), kExperts, kWidth, kFfn);
      for (int i = 0; i < kWidth; ++i)
        EXPECT_NEAR(program->output("y").f32()[static_cast<size_t>(t * kWidth + i)], want[i], 1e-6)
            << name << " token " << t << " channel " << i;  // sums of 12 products below 1/4
    }
  }
}

Language with_scaling(Json scaling, int context = 64, int d_head = 8) {
  Json config = preset("tiny-llama");
  config.update({{"rope_scaling", std::move(scaling)}, {"max_position_embeddings", context}, {"head_dim", d_head}});
  return read_language(config, "test");
}

TEST(Language, LongRopeFactorsAndScale) {
  Json scaling{{"rope_type", "longrope"},
               {"original_max_position_embeddings", 32},
               {"short_factor", {1, 1.5, 2, 2.5}},
               {"long_factor", {3, 4, 5, 6}}};
  Language longer = with_scaling(scaling, 64);
  EXPECT_EQ(longer.decoder.rope_factors, (std::vector<float>{1, 1.5, 2, 2.5}));
  EXPECT_EQ(longer.decoder.rope_long_factors, (std::vector<float>{3, 4, 5, 6}));
  EXPECT_EQ(longer.decoder.rope_trained, 32);
  EXPECT_FLOAT_EQ(longer.decoder.rope_scale, 1.0954451f);  // sqrt(1 + ln 2 / ln 32) = sqrt(1.2)
  Language original = with_scaling(scaling, 32);
  EXPECT_EQ(original.decoder.rope_factors, (std::vector<float>{1, 1.5, 2, 2.5}));
  EXPECT_EQ(original.decoder.rope_scale, 1);
}

TEST(Language, Llama3FactorsKeepHighAndSlowLowFrequencies) {
  Json scaling{{"rope_type", "llama3"},
               {"factor", 8},
               {"low_freq_factor", 1},
               {"high_freq_factor", 4},
               {"original_max_position_embeddings", 8192}};
  std::vector<float> factors = with_scaling(scaling, 4096, 64).decoder.rope_factors;
  ASSERT_EQ(factors.size(), 32u);
  EXPECT_EQ(factors.front(), 1);       // wave length 2 pi
  EXPECT_FLOAT_EQ(factors.back(), 8);  // 2 pi 10000^(31/32), far above 8192
  // Channel pair 25: wave length 2 pi 10000^(25/32) = 8376.1 > 8192 (slowed down); pair 24: 6283.2, between 2048 and
  // 8192.
  EXPECT_FLOAT_EQ(factors[25], 8);
  double smooth = (8192 / (2000 * M_PI) - 1) / 3;
  EXPECT_NEAR(factors[24], 1 / ((1 - smooth) / 8 + smooth), 1e-5);
  for (size_t i = 1; i < factors.size(); ++i) EXPECT_GE(factors[i], factors[i - 1]);
}

TEST(Language, LinearScalingDividesEveryFrequency) {
  EXPECT_EQ(with_scaling({{"type", "linear"}, {"factor", 4.0}}).decoder.rope_factors, std::vector<float>(4, 4.0f));
}

TEST(Language, DynamicScalingChangesNothingUpToTheTrainedLength) {
  Language language = with_scaling({{"type", "dynamic"}, {"factor", 4.0}});
  EXPECT_TRUE(language.decoder.rope_factors.empty());
  EXPECT_EQ(language.decoder.rope_base_for(64), 10000);
}

TEST(Language, RopeParametersOfTransformers5AreTheSameFields) {
  Json old = preset("tiny-phi"), now = old;
  old.update({{"rope_theta", 5000.0}, {"partial_rotary_factor", 0.25}});
  now.erase("partial_rotary_factor");
  now["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 5000.0}, {"partial_rotary_factor", 0.25}};
  Language a = read_language(old, "old"), b = read_language(now, "now");
  EXPECT_EQ(a.decoder.rope_base, b.decoder.rope_base);
  EXPECT_EQ(a.decoder.n_rotary, 4);
  EXPECT_EQ(b.decoder.n_rotary, 4);
}

void expect_error(const Json& config, const std::string& words) {
  try {
    read_language(config, "test");
    FAIL() << words;
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
  }
}

TEST(Language, BadConfigsNameTheField) {
  Json config = preset("tiny-llama");
  config["model_type"] = "rwkv";
  expect_error(config, "rwkv");
  config = preset("tiny-llama");
  config["num_key_value_heads"] = 3;
  expect_error(config, "3 for keys");
  config = preset("tiny-llama");
  config["rope_scaling"] = {
      {"rope_type", "longrope"}, {"original_max_position_embeddings", 8}, {"long_factor", {1, 2}}};
  expect_error(config, "rope_scaling.long_factor");
  config["rope_scaling"] = {{"rope_type", "yarn"}};
  expect_error(config, "yarn");
  config["rope_scaling"] = 3;
  expect_error(config, "rope_scaling");
  config = preset("tiny-moe");
  config["num_experts_per_tok"] = 9;
  expect_error(config, "num_experts_per_tok");
}

TEST(Language, MissingOutputMatrixIsNamedUnlessTied) {
  Json config = preset("tiny-llama");
  TemporaryFolder temporary;
  const std::string folder = temporary.path();
  GoldenModel m = golden_model(config);
  Weights headless = m.weights;
  headless.erase("text.head.weight");
  save_checkpoint(folder, *m.model, headless, nullptr);
  try {
    load_checkpoint(folder);
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("lm_head.weight"), std::string::npos) << e.what();
  }
  config["tie_word_embeddings"] = true;
  write_file(folder + "/config.json", config.dump());
  EXPECT_EQ(load_checkpoint(folder).weights.count("text.head.weight"), 0u);
}

// minicpm.md section 1.
TEST(Language, ParameterCountsOfPublishedSizes) {
  auto without_embedding = [](std::string_view size) {
    auto model = make_model(preset(size), "test");
    return count_parameters(*model) - int64_t{model->n_vocab()} * model->d_model();
  };
  EXPECT_EQ(without_embedding("minicpm-1.2b"), 1247442432);
  EXPECT_EQ(without_embedding("minicpm-2.4b"), 2442057984);
  EXPECT_EQ(without_embedding("minicpm-moe-8x2b"), 13590282240 + (2 * 40 + 1) * 2304);  // the paper leaves norms out
}

}  // namespace
}  // namespace galago::testing
