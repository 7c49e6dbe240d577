// Tokenizers in GGUF files: published ones against published token ids, and every kind written and read again.
#include "runtime/gguf_tokenizer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/text/case_runner.h"
#include "text/load_tokenizer.h"
#include "text/make_tokenizer.h"

namespace galago {
namespace {

using testing::run_tokenizer_cases;
using testing::tokenizer_data;
using Ids = std::vector<int32_t>;

class GgufTokenizer : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(tokenizer_data("cases.jsonl"))) GTEST_SKIP() << "the tokenizer data set is not here";
  }
  static std::string vocabulary_path(const std::string& name) { return tokenizer_data("vocab/" + name); }
  static Tokenizer read(const std::string& name) { return read_tokenizer(GgufFile::open(vocabulary_path(name))); }
};

TEST_F(GgufTokenizer, Gpt2) {
  Tokenizer tokenizer = read("gpt-2.gguf");
  EXPECT_EQ(tokenizer.vocab_size(), 50'257);
  EXPECT_TRUE(tokenizer.is_end_of_generation(50'256));
  run_tokenizer_cases(tokenizer, "gpt-2");
  testing::run_decode_cases(tokenizer, "gpt-2");
}

TEST_F(GgufTokenizer, TheSplitIsFoundWhereTheFileDoesNotSay) {
  Vocabulary vocabulary = read_vocabulary(GgufFile::open(vocabulary_path("gpt-2.gguf")));
  vocabulary.pre = "";
  Tokenizer tokenizer = make_tokenizer(vocabulary, "gpt-2.gguf");
  EXPECT_EQ(tokenizer.rule(), TokenizerRule(ByteLevelRule{WordSplit::Gpt2}));
  run_tokenizer_cases(tokenizer, "gpt-2");
}

Tokenizer phi2() {
  Vocabulary vocabulary = read_vocabulary(GgufFile::open(tokenizer_data("vocab/gpt-2.gguf")));
  add_tokens(vocabulary, read_json(tokenizer_data("vocab/phi-2.added.json")), "phi-2.added.json");
  return make_tokenizer(vocabulary, "phi-2");
}

TEST_F(GgufTokenizer, Phi2IsGpt2WithWhiteSpaceTokens) {
  EXPECT_EQ(phi2().vocab_size(), 50'295);
  run_tokenizer_cases(phi2(), "phi-2");
}

TEST_F(GgufTokenizer, Phi3IsSentencePieceWithScores) {
  Tokenizer tokenizer = read("phi-3.gguf");
  run_tokenizer_cases(tokenizer, "phi-3");
  testing::run_decode_cases(tokenizer, "phi-3");
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_EQ(tokenizer.encode("Hello", {.add_special = true}), (Ids{1, 15043}));
  EXPECT_EQ(tokenizer.encode("<|user|>\nHello", {.parse_special = true}).front(), 32'010);
  EXPECT_EQ(tokenizer.encode("", {.add_special = true}), Ids{1}) << "no space before nothing";
}

TEST_F(GgufTokenizer, BertIsWordPiece) {
  Tokenizer tokenizer = read("bert-uncased.gguf");
  run_tokenizer_cases(tokenizer, "bert-uncased");
  EXPECT_EQ(tokenizer.encode("hello", {.add_special = true}), (Ids{101, 7592, 102}));
  EXPECT_EQ(tokenizer.encode("[MASK]", {.parse_special = true}), Ids{103});
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("Hello, the transformers!")), "hello, the transformers!");
  EXPECT_EQ(tokenizer.decode(Ids{101, 7592, 102}, true), "hello");
}

TEST_F(GgufTokenizer, TheVocabularyComesBackAsItWas) {
  for (const char* name : {"gpt-2.gguf", "phi-3.gguf", "bert-uncased.gguf"}) {
    Vocabulary before = read_vocabulary(GgufFile::open(vocabulary_path(name)));
    Vocabulary again = make_tokenizer(before, name).vocabulary();
    EXPECT_EQ(again.model, before.model) << name;
    EXPECT_EQ(again.tokens, before.tokens) << name;
    EXPECT_EQ(again.merges, before.merges) << name;
    EXPECT_EQ(again.scores, before.scores) << name;
    EXPECT_EQ(again.types, before.types) << name;
    EXPECT_EQ(again.extra_json, "") << name << ": GGUF's own keys say it all";
  }
}

TEST_F(GgufTokenizer, EveryKindIsWrittenAndReadAgain) {
  testing::TemporaryFolder folder;
  auto survives = [&](const Tokenizer& tokenizer, const std::string& cases) {
    GgufWriter writer;
    writer.set_string("general.architecture", "none");
    write_tokenizer(writer, tokenizer);
    std::string path = folder.path() + "/" + cases + ".gguf";
    writer.save(path);
    Tokenizer again = read_tokenizer(GgufFile::open(path));
    EXPECT_EQ(again.rule(), tokenizer.rule()) << cases;
    EXPECT_EQ(again.vocab_size(), tokenizer.vocab_size()) << cases;
    EXPECT_EQ(again.end_of_generation(), tokenizer.end_of_generation()) << cases;
    EXPECT_EQ(again.encode("x", {.add_special = true}), tokenizer.encode("x", {.add_special = true})) << cases;
    run_tokenizer_cases(again, cases);
  };
  auto load = [&](const char* name) { return load_tokenizer(vocabulary_path(name)); };
  survives(phi2(), "phi-2");
  survives(load("pythia.tokenizer.json"), "pythia");
  survives(load("minicpm-1b.model"), "minicpm-1b.sp");
  survives(load("minicpm-1b.tokenizer.json"), "minicpm-1b.fast");
  survives(load("internlm2.model"), "internlm2");
  survives(read("phi-3.gguf"), "phi-3");
  survives(read("bert-uncased.gguf"), "bert-uncased");
}

TEST_F(GgufTokenizer, AFolderOfEveryKindIsWrittenAndReadAgain) {
  auto survives = [&](const Tokenizer& tokenizer, const std::string& cases) {
    testing::TemporaryFolder folder;
    save_tokenizer(tokenizer, folder.path());
    Tokenizer again = load_tokenizer(folder.path());
    EXPECT_EQ(again.rule(), tokenizer.rule()) << cases;
    EXPECT_EQ(again.encode("x", {.add_special = true}), tokenizer.encode("x", {.add_special = true})) << cases;
    run_tokenizer_cases(again, cases);
  };
  survives(read("gpt-2.gguf"), "gpt-2");
  survives(read("phi-3.gguf"), "phi-3");
  survives(read("bert-uncased.gguf"), "bert-uncased");
}

TEST_F(GgufTokenizer, AnUnknownPreTokenizerIsRefusedByName) {
  Vocabulary vocabulary = read_vocabulary(GgufFile::open(vocabulary_path("gpt-2.gguf")));
  vocabulary.pre = "tekken";
  try {
    make_tokenizer(vocabulary, "x.gguf");
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::Unsupported);
    EXPECT_NE(std::string(e.what()).find("tekken"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace galago
