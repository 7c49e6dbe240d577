// Tokenizers whose vocabulary is in a GGUF file, against published token ids.
#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/gguf.h"
#include "tests/text/case_runner.h"
#include "text/make_tokenizer.h"

namespace galago {
namespace {

using testing::run_tokenizer_cases;
using testing::tokenizer_data;

Vocabulary read_vocabulary(const GgufFile& file) {
  Vocabulary v;
  v.model = file.get_string("tokenizer.ggml.model");
  v.pre = file.get_string("tokenizer.ggml.pre", "");
  for (auto token : file.get_strings("tokenizer.ggml.tokens")) v.tokens.emplace_back(token);
  for (auto merge : file.get_strings("tokenizer.ggml.merges")) v.merges.emplace_back(merge);
  if (file.has_key("tokenizer.ggml.token_type")) v.types = file.get_i32s("tokenizer.ggml.token_type");
  if (file.has_key("tokenizer.ggml.eos_token_id")) v.special.eos = file.get_i32("tokenizer.ggml.eos_token_id");
  return v;
}

class GgufTokenizer : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(tokenizer_data("cases.jsonl"))) GTEST_SKIP() << "the tokenizer data set is not here";
    vocabulary_ = read_vocabulary(GgufFile::open(tokenizer_data("vocab/gpt-2.gguf")));
  }
  Vocabulary vocabulary_;
};

TEST_F(GgufTokenizer, Gpt2) {
  Tokenizer tokenizer = make_tokenizer(vocabulary_, "gpt-2.gguf");
  EXPECT_EQ(tokenizer.vocab_size(), 50'257);
  EXPECT_TRUE(tokenizer.is_end_of_generation(50'256));
  run_tokenizer_cases(tokenizer, "gpt-2");
}

TEST_F(GgufTokenizer, TheSplitIsFoundWhereTheFileDoesNotSay) {
  vocabulary_.pre = "";
  Tokenizer tokenizer = make_tokenizer(vocabulary_, "gpt-2.gguf");
  EXPECT_EQ(tokenizer.rule().split, WordSplit::Gpt2);
  run_tokenizer_cases(tokenizer, "gpt-2");
}

TEST_F(GgufTokenizer, Phi2IsGpt2WithWhiteSpaceTokens) {
  add_tokens(vocabulary_, read_json(tokenizer_data("vocab/phi-2.added.json")), "phi-2.added.json");
  Tokenizer tokenizer = make_tokenizer(vocabulary_, "phi-2");
  EXPECT_EQ(tokenizer.vocab_size(), 50'295);
  run_tokenizer_cases(tokenizer, "phi-2");
}

TEST_F(GgufTokenizer, TheVocabularyComesBackAsItWas) {
  Vocabulary again = make_tokenizer(vocabulary_, "gpt-2.gguf").vocabulary();
  EXPECT_EQ(again.pre, vocabulary_.pre);
  EXPECT_EQ(again.tokens, vocabulary_.tokens);
  EXPECT_EQ(again.merges, vocabulary_.merges);
  EXPECT_EQ(again.types, vocabulary_.types);
}

TEST_F(GgufTokenizer, AnUnknownPreTokenizerIsRefusedByName) {
  vocabulary_.pre = "tekken";
  try {
    make_tokenizer(vocabulary_, "x.gguf");
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Unsupported);
    EXPECT_NE(std::string(e.what()).find("tekken"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace galago
