// Reading tokenizer.json and its neighbours: what is accepted, and what is refused with a sentence.
#include "text/load_tokenizer.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"

namespace galago {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<int32_t>;

Json small_json() {
  return Json::parse(R"({
    "added_tokens": [{"id": 5, "content": "<|im_end|>", "special": true},
                     {"id": 8, "content": "<x>", "special": false}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
    "post_processor": null, "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "Ġ": 4}, "merges": ["a b"]}})");
}

Tokenizer parse(const Json& json) { return parse_tokenizer_json(json.dump(), "tokenizer.json"); }

TEST(TokenizerJson, ReadsASmallOne) {
  Tokenizer tokenizer = parse(small_json());
  EXPECT_EQ(tokenizer.vocab_size(), 9) << "two holes before the last added token";
  EXPECT_EQ(tokenizer.encode("ab c<x>"), (Ids{3, 4, 2, 8}));
  EXPECT_EQ(tokenizer.encode("a<|im_end|>", {.parse_special = true}), (Ids{0, 5}));
  EXPECT_TRUE(tokenizer.is_end_of_generation(5));
}

TEST(TokenizerJson, MergesMayBePairs) {
  Json json = small_json();
  json["model"]["merges"] = Json::parse(R"([["a", "b"]])");
  EXPECT_EQ(parse(json).encode("ab"), Ids{3});
}

TEST(TokenizerJson, OnlyTheModelsUnknownTokenStandsForMissingBytes) {
  Json json = small_json();
  json["added_tokens"][0]["content"] = "<unk>";
  EXPECT_EQ(parse(json).encode("azb"), (Ids{3})) << "dropped before merging, as the reference does";
  json["model"]["unk_token"] = "<unk>";
  EXPECT_EQ(parse(json).encode("azb"), (Ids{0, 5, 1}));
  EXPECT_EQ(parse_tokenizer_json(parse(json).to_tokenizer_json(), "written").encode("azb"), (Ids{0, 5, 1}));
}

TEST(TokenizerJson, TemplatesSayWhatIsAddedAround) {
  Json json = small_json();
  json["post_processor"] = Json::parse(
      R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<x>"}}, {"Sequence": {"id": "A"}},
          {"SpecialToken": {"id": "<|im_end|>"}}]})");
  EXPECT_EQ(parse(json).encode("ab", {.add_special = true}), (Ids{8, 3, 5}));
  EXPECT_EQ(parse(json).encode("ab"), Ids{3});
}

TEST(TokenizerJson, TheQwen2SplitIsKnownByItsPattern) {
  Json json = small_json();
  json["normalizer"] = {{"type", "NFC"}};
  json["pre_tokenizer"] = Json::parse(R"({"type": "Sequence", "pretokenizers": [
    {"type": "Split", "behavior": "Isolated", "invert": false}, {"type": "ByteLevel", "use_regex": false}]})");
  json["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {{"Regex", split_pattern(WordSplit::Qwen2)}};
  EXPECT_EQ(parse(json).rule(), TokenizerRule(ByteLevelRule{WordSplit::Qwen2, true, false}));
}

struct Bad {
  const char* pointer;
  const char* value;
  const char* says;
};

TEST(TokenizerJson, RefusesWithASentence) {
  const Bad bad[] = {
      {"/model/type", R"("Unigram")", "Unigram"},
      {"/model/type", R"("WordPiece")", "ByteLevel"},
      {"/model/byte_fallback", "true", "byte_fallback"},
      {"/model/end_of_word_suffix", R"("</w>")", "end_of_word_suffix"},
      {"/model", "null", "model"},
      {"/model/vocab", "[1]", "expected an object"},
      {"/model/vocab/a", "-1", "token id"},
      {"/model/vocab/a", R"("0")", "token id"},
      {"/model/vocab/a", "4000000", "vocabulary of 5"},
      {"/model/vocab/a", "18446744073709551615", "token id"},
      {"/model/vocab/a", "1", "two tokens"},
      {"/model/merges", R"([["a"]])", "expected \"left right\""},
      {"/model/merges", R"(["a z"])", "not in the vocabulary"},
      {"/model/merges", "7", "expected a list"},
      {"/added_tokens/0/id", "null", "id"},
      {"/added_tokens/0/special", "3", "expected true or false"},
      {"/normalizer", R"({"type": "Lowercase"})", "Lowercase"},
      {"/pre_tokenizer", R"({"type": "Whitespace"})", "Whitespace"},
      {"/pre_tokenizer", R"({"type": "Digits", "individual_digits": true})", "Digits"},
      {"/pre_tokenizer/add_prefix_space", "true", "add_prefix_space"},
      {"/post_processor", R"({"type": "BertProcessing"})", "cls"},
  };
  for (const Bad& b : bad) {
    Json json = small_json();
    json[Json::json_pointer(b.pointer)] = Json::parse(b.value);
    try {
      parse(json);
      FAIL() << b.pointer << " = " << b.value << " was accepted";
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(b.says), std::string::npos) << e.what();
      EXPECT_NE(std::string(e.what()).find("tokenizer.json"), std::string::npos) << e.what();
    }
  }
  EXPECT_THROW(parse_tokenizer_json("[]", "x"), Error);
  EXPECT_THROW(parse_tokenizer_json("{", "x"), Error);
  EXPECT_THROW(parse_tokenizer_json("", "x"), Error);
}

class TokenizerFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("galago_tokenizer_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  void write(const char* name, const std::string& text) { write_file((folder_ / name).string(), text); }
  Tokenizer load() { return load_tokenizer(folder_.string()); }
  fs::path folder_;
};

TEST_F(TokenizerFolder, TokenizerJsonWithItsNeighbours) {
  write("tokenizer.json", small_json().dump());
  write("tokenizer_config.json", R"({"bos_token": {"content": "<x>"}, "eos_token": "<|im_end|>", "pad_token": null})");
  write("generation_config.json", R"({"eos_token_id": [5, 2, 77]})");
  Tokenizer tokenizer = load();
  EXPECT_EQ(tokenizer.special_ids().bos, 8);
  EXPECT_EQ(tokenizer.special_ids().eos, 5);
  EXPECT_FALSE(tokenizer.special_ids().pad.has_value());
  EXPECT_EQ(tokenizer.end_of_generation(), (Ids{2, 5}));
}

TEST_F(TokenizerFolder, VocabJsonWithMerges) {
  write("vocab.json", R"({"a": 0, "b": 1, "ab": 2, "Ġ": 3, "Ġab": 4})");
  write("merges.txt", "#version: 0.2\na b\r\nĠ ab\n\n");
  write("added_tokens.json", R"({"<|end|>": 5, "<image>": 6})");
  write("tokenizer_config.json",
        R"({"eos_token": "<|end|>", "add_eos_token": true,
            "added_tokens_decoder": {"6": {"content": "<image>", "special": true}}})");
  Tokenizer tokenizer = load();
  EXPECT_EQ(tokenizer.encode("ab ab", {.add_special = true}), (Ids{2, 4, 5}));
  EXPECT_TRUE(tokenizer.is_special(6)) << "the config says so";
  EXPECT_EQ(tokenizer.encode("<image>", {.parse_special = true}), Ids{6});
}

TEST_F(TokenizerFolder, AnEmptyFolderIsNotATokenizer) {
  EXPECT_THROW(load(), Error);
  EXPECT_THROW(load_tokenizer((folder_ / "nothing.json").string()), Error);
  EXPECT_THROW(load_tokenizer((folder_ / "tokenizer.model").string()), Error);
}

TEST_F(TokenizerFolder, BadNeighboursAreRefused) {
  write("tokenizer.json", small_json().dump());
  write("tokenizer_config.json", "[1]");
  EXPECT_THROW(load(), Error);
}

}  // namespace
}  // namespace galago
