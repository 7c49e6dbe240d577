// MiniCPM3, MiniCPM4 and the 128K variant: sizes, contexts beyond the trained length, and the prompts of all language
// models. Files, cache and executors: language_test.cc; parity with transformers: language_parity_test.cc.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "models/language.h"
#include "tests/models/golden_model.h"
#include "tests/models/llama_cpp_files.h"
#include "tests/models/text_logits.h"
#include "tests/support/executors.h"
#include "tests/support/temporary_folder.h"
#include "text/load_tokenizer.h"

namespace galago::testing {
namespace {

Json preset(std::string_view size) { return find_family("language")->preset(size); }

std::unique_ptr<Executor> cpu_executor() { return cpu::make_executor(std::make_shared<ThreadPool>(2)); }

std::vector<int32_t> some_ids(int n) {
  std::vector<int32_t> ids = {1};
  while (static_cast<int>(ids.size()) < n) ids.push_back(3 + (ids.back() * 7 + 5) % 300);
  return ids;
}

// ---- sizes

TEST(MiniCpm3, PublishedSize) {
  auto model = make_model(preset("minicpm3-4b"), "test");
  // A block: low-rank norms 768 + 256, norms 2 * 2560, and the matrices in order.
  int64_t block = 768 + 256 + 5120 + 768 * 2560 + 40 * 96 * 768 + 288 * 2560 + 40 * 128 * 256 + 2560 * 2560 +
                  3 * 6400 * int64_t{2560};
  EXPECT_EQ(count_parameters(*model), 62 * block + 2560 + 73448 * int64_t{2560});
  EXPECT_EQ(count_parameters(*model), 4073875968);
  EXPECT_EQ(model->weights().size(), 62u * 12 + 3);  // the last is the output matrix, which is tied
  CacheSpec cache = model->cache();
  EXPECT_EQ(cache.d_head, 96);
  EXPECT_EQ(cache.d_value, 64);
  EXPECT_EQ(cache.n_kv_heads, 40);
  EXPECT_EQ(cache.max_context, 32768);
}

TEST(MiniCpm3, FieldsOfTheDecoder) {
  DecoderConfig c = read_language(preset("minicpm3-4b"), "test").decoder;
  EXPECT_EQ(c.eps, 1e-5f);
  EXPECT_EQ(c.latent->eps, 1e-6f);
  EXPECT_EQ(c.n_turning(), 32);
  EXPECT_EQ(c.rope_factors.size(), 16u);
  EXPECT_EQ(c.rope_scale, 1);
  EXPECT_EQ(c.embed_scale, 12);
  EXPECT_FLOAT_EQ(c.residual_scale, 1.4f / std::sqrt(62.0f));
  EXPECT_FLOAT_EQ(c.logit_scale, 0.1f);
}

TEST(MiniCpm3, SizesThatAreTooMuchTogetherAreRefused) {
  Json config = preset("tiny-minicpm3");
  config.update({{"num_attention_heads", 4096}, {"qk_nope_head_dim", 1 << 20}, {"v_head_dim", 1 << 20}});
  EXPECT_THROW(read_language(config, "test"), Error);
  config = preset("tiny-minicpm3");
  config["kv_lora_rank"] = 0;
  EXPECT_THROW(read_language(config, "test"), Error);
}

TEST(MiniCpm128k, HasItsOwnOutputMatrix) {
  auto model = make_model(preset("minicpm-2.4b-128k"), "test");
  EXPECT_EQ(count_parameters(*model), 2442057984 + 2 * 122760 * int64_t{2304});
  EXPECT_EQ(model->cache().max_context, 4 * 65536);
}

// ---- contexts beyond the trained length

std::vector<float> logits_of(const Json& config, const std::vector<int32_t>& ids) {
  GoldenModel m = golden_model(config);
  return testing::logits_of(*m.model, m.weights, *cpu_executor(), ids);
}

class LongFactors : public ::testing::TestWithParam<const char*> {};

TEST_P(LongFactors, HoldInContextsLongerThanTheTrainedOne) {
  Json config = preset(GetParam()), only_short = config, only_long = config;  // trained for 32 places of 64
  only_short["rope_scaling"]["long_factor"] = config["rope_scaling"]["short_factor"];
  only_long["rope_scaling"]["short_factor"] = config["rope_scaling"]["long_factor"];
  EXPECT_EQ(logits_of(config, some_ids(32)), logits_of(only_short, some_ids(32)));
  EXPECT_NE(logits_of(config, some_ids(32)), logits_of(only_long, some_ids(32)));
  EXPECT_EQ(logits_of(config, some_ids(33)), logits_of(only_long, some_ids(33)));
}

INSTANTIATE_TEST_SUITE_P(Language, LongFactors, ::testing::Values("tiny-minicpm3", "tiny-minicpm4"),
                         [](const auto& info) { return std::string(info.param).substr(5); });

Json dynamic_config() {
  Json config = preset("tiny");
  config.update({{"max_position_embeddings", 16}, {"rope_scaling", {{"type", "dynamic"}, {"factor", 4.0}}}});
  return config;
}

TEST(DynamicNtk, BaseGrowsWithTheContext) {
  DecoderConfig c = read_language(dynamic_config(), "test").decoder;
  ASSERT_EQ(c.n_turning(), 16);
  EXPECT_EQ(c.rope_base_for(16), 10000);
  EXPECT_FLOAT_EQ(c.rope_base_for(32), 62924.9475f);  // 10000 * (4 * 2 - 3)^(16 / 14)
  EXPECT_EQ(read_language(dynamic_config(), "test").max_context, 64);
}

// The rows of the cache are the context, so keys of all calls turn alike.
TEST(DynamicNtk, ChunksThroughTheCacheGiveTheLogitsOfTheWholeSequence) {
  GoldenModel m = golden_model(dynamic_config());
  auto executor = cpu_executor();
  std::vector<int32_t> ids = some_ids(40);
  std::vector<float> whole = testing::logits_of(*m.model, m.weights, *executor, ids);
  std::span<const float> last = std::span(whole).last(static_cast<size_t>(m.model->n_vocab()));
  for (int chunk : {1, 7})
    EXPECT_LT(relative_difference(cached_logits_of(*m.model, m.weights, *executor, ids, chunk), last), 1e-5);
}

// ---- prompts

Tokenizer tokenizer(const std::string& file, const std::string& added = "") {
  std::string vocab = GALAGO_SOURCE_DIR "/../shared/data/tokenizers/vocab/";
  if (added.empty()) return load_tokenizer(vocab + file);
  return load_tokenizer(vocab + file, {.added_path = vocab + added});
}

class LanguagePrompt : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(GALAGO_SOURCE_DIR "/../shared/data/tokenizers/vocab"))
      GTEST_SKIP() << "the vocabularies of shared/data/tokenizers are not here";
  }

  static std::vector<int32_t> ids(const Json& config, const Tokenizer& t, const std::string& text, int index = 0,
                                  std::string_view system = "") {
    std::vector<TurnPart> parts = {{.text = text}};
    auto pieces = make_model(config, "test")->prompt(t, {.parts = parts, .index = index, .system = system});
    return pieces.empty() ? std::vector<int32_t>{} : pieces[0].ids;
  }
  static std::string text(const Json& config, const Tokenizer& t, const std::string& words, int index = 0,
                          std::string_view system = "") {
    return t.decode(ids(config, t, words, index, system));
  }
  static Tokenizer qwen() { return tokenizer("qwen2.vocab.json", "qwen2.added.json"); }
};

TEST_F(LanguagePrompt, MiniCpmsMarksAreWords) {
  Tokenizer t = tokenizer("minicpm-v.model");  // ids as of MiniCPM-2B
  EXPECT_EQ(text(preset("tiny"), t, "Hi"), "<s><用户>Hi<AI>");
  EXPECT_EQ(text(preset("tiny"), t, "And?", 1), "<用户>And?<AI>");
  std::vector<int32_t> first = ids(preset("tiny"), t, "Hi");
  EXPECT_EQ(first[0], 1);
  EXPECT_EQ(first[1], 95396);  // "<", without a space in front
  auto stops = make_model(preset("tiny"), "test")->stop_strings();
  EXPECT_EQ(std::count(stops.begin(), stops.end(), "<用户>"), 1);
}

TEST_F(LanguagePrompt, VocabulariesWithTurnTokensGetChatMl) {
  Tokenizer t = qwen();
  for (const char* size : {"minicpm-2.4b-128k", "tiny-minicpm3", "tiny-minicpm4", "tiny-qwen3", "tiny-internlm2"}) {
    EXPECT_EQ(text(preset(size), t, "Hi"), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n") << size;
    EXPECT_EQ(text(preset(size), t, "Hi", 0, "Be kind."),
              "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    EXPECT_EQ(text(preset(size), t, "And?", 1),
              "<|im_end|>\n<|im_start|>user\nAnd?<|im_end|>\n<|im_start|>assistant\n");
  }
}

TEST_F(LanguagePrompt, Qwen2HasADefaultSystemText) {
  EXPECT_EQ(text(preset("tiny-qwen2"), qwen(), "Hi"),
            "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
}

TEST_F(LanguagePrompt, WithoutTurnTokensTheTextIsContinued) {
  Tokenizer t = tokenizer("minicpm-1b.model");
  for (const char* size : {"tiny-minicpm3", "tiny-llama", "tiny-qwen2", "tiny-phi", "tiny-gpt_neox"}) {
    EXPECT_EQ(text(preset(size), t, "Once upon"), "<s>Once upon") << size;
    EXPECT_EQ(text(preset(size), t, " a time", 1), " a time") << size;
  }
}

TEST_F(LanguagePrompt, WhatAUserTypesIsNoTurnToken) {
  Tokenizer t = qwen();
  std::vector<int32_t> got = ids(preset("tiny-qwen3"), t, "<|im_end|>");
  EXPECT_EQ(std::count(got.begin(), got.end(), *t.find("<|im_end|>")), 1);  // the template's own
  EXPECT_EQ(t.decode(got), "<|im_start|>user\n<|im_end|><|im_end|>\n<|im_start|>assistant\n");
}

TEST_F(LanguagePrompt, NamesInTheConfigDecideFirst) {
  Json config = preset("tiny-qwen2");
  config["chat_template_name"] = "plain";
  EXPECT_EQ(text(config, qwen(), "Hi"), "Hi");
  config["chat_template_name"] = "phi2";
  EXPECT_EQ(text(config, qwen(), "Hi"), "Instruct: Hi\nOutput:");
  EXPECT_EQ(text(config, qwen(), "And?", 1), "\nInstruct: And?\nOutput:");
  config["chat_template_name"] = "llama2";
  EXPECT_EQ(text(config, qwen(), "And?", 1), " </s><s>[INST] And? [/INST]");
  config["chat_template_name"] = "klingon";
  EXPECT_THROW(make_model(config, "test"), Error);
}

TEST(LanguageTemplate, IsTakenFromTheFolder) {
  GoldenModel m = golden_model(preset("tiny-llama"));
  TemporaryFolder temporary;
  const std::string folder = temporary.path();
  save_checkpoint(folder, *m.model, m.weights, nullptr);
  EXPECT_FALSE(load_checkpoint(folder).model->config().contains("chat_template_name"));
  write_file(folder + "/tokenizer_config.json", R"({"chat_template": "{{ '<|im_start|>' + role }}"})");
  EXPECT_EQ(load_checkpoint(folder).model->config()["chat_template_name"], "chatml");
  EXPECT_EQ(load_checkpoint(folder).model->stop_strings(), std::vector<std::string>{"<|im_end|>"});
}

TEST(LanguageTemplate, IsTakenFromTheGgufFile) {
  GgufWriter writer;
  GoldenModel m = golden_model(preset("tiny-llama"));
  LlamaCppOptions options{"llama", true};
  add_text_metadata(writer, m.model->config(), options);
  add_text_weights(writer, m.weights, m.model->config(), options);
  writer.set_string("tokenizer.chat_template", "{% if role == '<|start_header_id|>' + '<|end_header_id|>' %}");
  TemporaryFolder folder;
  const std::string path = folder.file("llama.gguf");
  writer.save(path);
  EXPECT_EQ(open_model({.model = path}).model->config()["chat_template_name"], "llama3");
}

// ---- factors of Llama 3.1 in GGUF files

TEST(LanguageGguf, RotationFactorsAreRead) {
  Json config = preset("tiny-llama");
  GoldenModel m = golden_model(config);
  GgufWriter writer;
  LlamaCppOptions options{"llama", true};
  add_text_metadata(writer, m.model->config(), options);
  add_text_weights(writer, m.weights, m.model->config(), options);
  std::vector<float> factors = {1, 1, 2, 3, 4, 6, 8, 8};
  writer.add("rope_freqs.weight", Tensor::from({8}, factors));
  TemporaryFolder folder;
  const std::string path = folder.file("llama31.gguf");
  writer.save(path);
  Language language = read_language(language_config_from_gguf(GgufFile::open(path)), "test");
  EXPECT_EQ(language.decoder.rope_factors, factors);
  EXPECT_EQ(language.decoder.rope_scale, 1);
  EXPECT_TRUE(unread_tensors(open_model({.model = path})).empty());
}

}  // namespace
}  // namespace galago::testing
