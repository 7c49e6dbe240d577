// Token ids of published tokenizers against those of independent implementations.
#include <gtest/gtest.h>

#include "tests/support/temporary_folder.h"

#include "tests/text/case_runner.h"
#include "text/load_tokenizer.h"
#include "text/make_tokenizer.h"

namespace galago {
namespace {

using testing::run_tokenizer_cases;
using testing::tokenizer_data;

struct Published {
  const char* name;  // of the expected ids; the vocabularies of one model may have several
  const char* vocabulary;
  const char* added;  // nullptr: none
  int32_t vocab_size;
  const char* model;  // in GGUF's words
  const char* pre;    // the rule that must have been found
};

constexpr Published kPublished[] = {
    {"pythia", "pythia.tokenizer.json", nullptr, 50'277, "gpt2", "olmo"},
    {"smollm", "smollm.tokenizer.json", nullptr, 49'152, "gpt2", "smollm"},
    {"qwen2", "qwen2.vocab.json", "qwen2.added.json", 151'646, "gpt2", "qwen2"},
    {"qwen2-minicpmv26", "qwen2.vocab.json", "qwen2-minicpmv26.added.json", 151'666, "gpt2", "qwen2"},
    {"internlm2", "internlm2.model", nullptr, 92'544, "llama", "default"},
    {"minicpm-v.sp", "minicpm-v.model", nullptr, 122'753, "llama", "default"},
    {"minicpm-1b.sp", "minicpm-1b.model", nullptr, 73'440, "llama", "default"},
    {"minicpm-1b.fast", "minicpm-1b.tokenizer.json", nullptr, 73'440, "llama", "default"},
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
  run_tokenizer_cases(tokenizer, GetParam().name);
}

TEST_P(PublishedTokenizer, SurvivesAVocabularyAndBack) {
  Vocabulary vocabulary = load().vocabulary();
  EXPECT_EQ(vocabulary.model, GetParam().model);
  EXPECT_EQ(vocabulary.pre, GetParam().pre);
  Tokenizer again = make_tokenizer(vocabulary, "round trip");
  EXPECT_EQ(again.rule(), load().rule());
  EXPECT_EQ(again.vocab_size(), GetParam().vocab_size);
  run_tokenizer_cases(again, GetParam().name);
}

TEST_P(PublishedTokenizer, SurvivesAFolderAndBack) {
  testing::TemporaryFolder folder;
  Tokenizer tokenizer = load();
  save_tokenizer(tokenizer, folder.path());
  ASSERT_TRUE(has_tokenizer(folder.path()));
  Tokenizer again = load_tokenizer(folder.path());
  EXPECT_EQ(again.vocab_size(), tokenizer.vocab_size());
  EXPECT_EQ(again.rule(), tokenizer.rule());
  EXPECT_EQ(again.special_ids().eos, tokenizer.special_ids().eos);
  EXPECT_EQ(again.adds_bos(), tokenizer.adds_bos());
  run_tokenizer_cases(again, GetParam().name);
}

TEST_P(PublishedTokenizer, DecodesWhatItEncoded) {
  Tokenizer tokenizer = load();
  auto* bytes = std::get_if<ByteLevelRule>(&tokenizer.rule());
  testing::run_decode_cases(tokenizer, GetParam().name, bytes && bytes->nfc ? 1 : 0);  // case E26 is not NFC
}

TEST_P(PublishedTokenizer, KnowsItsEnd) {
  Tokenizer tokenizer = load();
  const char* name = GetParam().model == std::string("gpt2") ? "<|endoftext|>" : "</s>";
  auto end = tokenizer.find(name);
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(tokenizer.is_end_of_generation(*end));
  EXPECT_TRUE(tokenizer.is_special(*end));
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{*end}, true), "");
  EXPECT_EQ(tokenizer.decode(std::vector<int32_t>{*end}), name);
  EXPECT_GT(tokenizer.encode(name).size(), 1u) << "what a user types is no control token";
}

INSTANTIATE_TEST_SUITE_P(All, PublishedTokenizer, ::testing::ValuesIn(kPublished), [](const auto& info) {
  std::string name = info.param.name;
  for (char& c : name) c = c == '-' || c == '.' ? '_' : c;
  return name;
});

}  // namespace
}  // namespace galago
