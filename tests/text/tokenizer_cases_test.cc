// Token ids of published tokenizers against those of independent implementations.
#include <gtest/gtest.h>

#include "tests/text/case_runner.h"
#include "text/load_tokenizer.h"
#include "text/make_tokenizer.h"

namespace galago {
namespace {

using testing::run_tokenizer_cases;
using testing::tokenizer_data;

struct Published {
  const char* name;
  const char* vocabulary;
  const char* added;  // nullptr: none
  int32_t vocab_size;
  const char* pre;  // the rule that must have been found
};

constexpr Published kPublished[] = {
    {"pythia", "pythia.tokenizer.json", nullptr, 50'277, "olmo"},
    {"smollm", "smollm.tokenizer.json", nullptr, 49'152, "smollm"},
    {"qwen2", "qwen2.vocab.json", "qwen2.added.json", 151'646, "qwen2"},
    {"qwen2-minicpmv26", "qwen2.vocab.json", "qwen2-minicpmv26.added.json", 151'666, "qwen2"},
};

class PublishedTokenizer : public ::testing::TestWithParam<Published> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(tokenizer_data("cases.jsonl"))) GTEST_SKIP() << "the tokenizer data set is not here";
  }
  static Tokenizer load() {
    const Published& p = GetParam();
    LoadTokenizerOptions options;
    if (p.added) options.added_path = tokenizer_data(std::string("vocab/") + p.added);
    return load_tokenizer(tokenizer_data(std::string("vocab/") + p.vocabulary), options);
  }
};

TEST_P(PublishedTokenizer, GivesTheExpectedIds) {
  Tokenizer tokenizer = load();
  EXPECT_EQ(tokenizer.vocab_size(), GetParam().vocab_size);
  EXPECT_EQ(tokenizer.vocabulary().pre, GetParam().pre);
  run_tokenizer_cases(tokenizer, GetParam().name);
}

TEST_P(PublishedTokenizer, SurvivesAVocabularyAndBack) {
  Vocabulary vocabulary = load().vocabulary();
  run_tokenizer_cases(make_tokenizer(vocabulary, "round trip"), GetParam().name);
}

TEST_P(PublishedTokenizer, SurvivesTokenizerJsonAndBack) {
  Tokenizer tokenizer = load();
  Tokenizer again = parse_tokenizer_json(tokenizer.to_tokenizer_json(), "round trip");
  EXPECT_EQ(again.vocab_size(), tokenizer.vocab_size());
  run_tokenizer_cases(again, GetParam().name);
}

TEST_P(PublishedTokenizer, DecodesWhatItEncoded) {
  Tokenizer tokenizer = load();
  for (const Json& row : testing::read_json_lines(tokenizer_data("cases.jsonl"))) {
    std::string text = row.at("text");
    std::string again = tokenizer.decode(tokenizer.encode(text));
    // Normalisation may change the text once, never twice.
    if (tokenizer.rule().nfc)
      again = tokenizer.decode(tokenizer.encode(again)), text = tokenizer.decode(tokenizer.encode(text));
    EXPECT_EQ(again, text) << row.at("id");
  }
}

TEST_P(PublishedTokenizer, KnowsItsEnd) {
  Tokenizer tokenizer = load();
  auto end = tokenizer.find("<|endoftext|>");
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(tokenizer.is_end_of_generation(*end));
  EXPECT_TRUE(tokenizer.is_special(*end));
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{*end}, true), "");
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{*end}), "<|endoftext|>");
  EXPECT_GT(tokenizer.encode("<|endoftext|>").size(), 1u) << "what a user types is no control token";
}

INSTANTIATE_TEST_SUITE_P(All, PublishedTokenizer, ::testing::ValuesIn(kPublished), [](const auto& info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace galago
