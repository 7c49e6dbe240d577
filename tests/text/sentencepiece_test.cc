// The rules of SentencePiece on small models: scores, user-defined and unused pieces, prefixes, the charsmap, unigram;
// damaged model files.
#include "text/sentencepiece_file.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "tests/support/temporary_folder.h"
#include "tests/text/case_runner.h"
#include "tests/text/random_text.h"
#include "text/load_tokenizer.h"
#include "text/make_tokenizer.h"

namespace galago {
namespace {

using Ids = std::vector<int32_t>;

struct Piece {
  std::string text;
  float score = 0;
  TokenType type = TokenType::Normal;
};

// <unk> 0, <s> 1, </s> 2, then the pieces from 3, then with `bytes` the 256 byte tokens.
TokenizerParts parts(const std::vector<Piece>& pieces, SentencePieceRule rule, bool bytes = false) {
  std::vector<Piece> all = {
      {"<unk>", 0, TokenType::Unknown}, {"<s>", 0, TokenType::Control}, {"</s>", 0, TokenType::Control}};
  all.insert(all.end(), pieces.begin(), pieces.end());
  for (int byte = 0; bytes && byte < 256; ++byte)
    all.push_back({byte_token(static_cast<uint8_t>(byte)), 0, TokenType::Byte});
  Vocabulary v;
  for (const Piece& piece : all) {
    v.tokens.push_back(piece.text), v.scores.push_back(piece.score);
    v.types.push_back(static_cast<int32_t>(piece.type));
  }
  v.special = {.bos = 1, .eos = 2, .unk = 0};
  rule.byte_fallback = bytes;
  return parts_from_sentencepiece(to_sentencepiece(v, rule), "test.model");
}

Tokenizer model(const std::vector<Piece>& pieces, SentencePieceRule rule = {.prefix = SpacePrefix::Never},
                bool bytes = false) {
  return Tokenizer(parts(pieces, rule, bytes), "test.model");
}

TEST(SentencePiece, TheHighestScoreMergesFirstThenTheLeftmost) {
  Tokenizer t = model({{"a", -9}, {"b", -9}, {"c", -9}, {"ab", -2}, {"bc", -1}, {"aa", -3}});
  EXPECT_EQ(t.encode("abc"), (Ids{3, 7}));
  EXPECT_EQ(t.encode("ab"), Ids{6});
  EXPECT_EQ(t.encode("aaa"), (Ids{8, 3}));
}

TEST(SentencePiece, UserDefinedPiecesAreFoundFirstAndNeverMerge) {
  Tokenizer t = model({{"a", -9}, {"b", -9}, {"ab", -1}, {"[b]", 0, TokenType::UserDefined}, {"b", -1}});
  EXPECT_EQ(t.encode("ab[b]ab"), (Ids{5, 6, 5}));
}

TEST(SentencePiece, UnusedPiecesAreTakenApart) {
  Tokenizer t = model({{"a", -9}, {"b", -9}, {"c", -9}, {"ab", -1, TokenType::Unused}, {"abc", -2, TokenType::Unused}});
  EXPECT_EQ(t.encode("abc"), (Ids{3, 4, 5}));
}

TEST(SentencePiece, UnknownCharactersAreBytesOrOneUnknown) {
  EXPECT_EQ(model({{"a", -1}}).encode("aéüa"), (Ids{3, 0, 3})) << "neighbours are one";
  Tokenizer bytes = model({{"a", -1}, {std::string(kSpaceMark), -1}}, {.prefix = SpacePrefix::Never}, true);
  EXPECT_EQ(bytes.encode("aé"), (Ids{3, 5 + 0xC3, 5 + 0xA9}));
  EXPECT_EQ(bytes.decode(bytes.encode("aé")), "aé");
  Rng rng(3);
  for (int i = 0; i < 300; ++i) {
    std::string text = testing::random_bytes(rng, 40);
    EXPECT_EQ(bytes.decode(bytes.encode(text)), text);
  }
}

TEST(SentencePiece, SpacePrefixes) {
  std::vector<Piece> pieces = {{std::string(kSpaceMark), -3}, {"a", -3}, {std::string(kSpaceMark) + "a", -1}};
  auto encode = [&](SpacePrefix prefix, const char* text) {
    TokenizerParts p = parts(pieces, {});
    std::get<SentencePieceRule>(p.rule).prefix = prefix;
    return Tokenizer(std::move(p), "test").encode(text, {.parse_special = true});
  };
  EXPECT_EQ(encode(SpacePrefix::Never, "a</s>a"), (Ids{4, 2, 4}));
  EXPECT_EQ(encode(SpacePrefix::First, "a</s>a"), (Ids{5, 2, 4}));
  EXPECT_EQ(encode(SpacePrefix::First, "</s>a"), (Ids{2, 4}));
  EXPECT_EQ(encode(SpacePrefix::Always, "a</s>a"), (Ids{5, 2, 5}));
  EXPECT_EQ(encode(SpacePrefix::Always, ""), Ids{});
  EXPECT_EQ(encode(SpacePrefix::Always, " a"), (Ids{3, 5}));
  Tokenizer t = model(pieces, {});
  EXPECT_EQ(t.decode(Ids{5, 5}), "a a") << "the prefix is no part of the text";
  EXPECT_EQ(t.decode(Ids{1, 5}, true), "a");
  EXPECT_EQ(t.decode(Ids{3, 5}), " a") << "only one space is taken off";
}

TEST(SentencePiece, ExtraSpacesAreRemovedWhereTheModelSaysSo) {
  std::vector<Piece> pieces = {{std::string(kSpaceMark), -3}, {"a", -3}};
  Tokenizer t = model(pieces, {.prefix = SpacePrefix::Never, .remove_extra_spaces = true});
  EXPECT_EQ(t.encode("  a   a "), (Ids{4, 3, 4}));
  EXPECT_EQ(t.encode("   "), Ids{});
}

TEST(SentencePiece, UnigramTakesTheBestPath) {
  SentencePieceRule rule{.unigram = true, .prefix = SpacePrefix::Never};
  Tokenizer t = model({{"a", -1}, {"b", -1}, {"c", -1}, {"ab", -1.5}, {"bc", -0.4f}, {"abc", -9}}, rule);
  EXPECT_EQ(t.encode("abc"), (Ids{3, 7})) << "-1.4 against -2.5, -3 and -9";
  EXPECT_EQ(t.encode("ab"), Ids{6});
  EXPECT_EQ(t.encode("axxb"), (Ids{3, 0, 4}));
  EXPECT_EQ(t.encode(""), Ids{});
  Tokenizer defined = model({{"a", -1}, {"b", -3}, {"ab", -9, TokenType::UserDefined}}, rule);
  EXPECT_EQ(defined.encode("aabb"), (Ids{3, 5, 4}));
  EXPECT_EQ(make_tokenizer(t.vocabulary(), "gguf").encode("abc"), (Ids{3, 7}));
}

TEST(SentencePiece, TheCharsmapReplaces) {
  std::string file = read_file(GALAGO_SOURCE_DIR "/tests/fuzz/corpus/sentencepiece/charsmap.model");  // "A" -> "a"
  Tokenizer t(parts_from_sentencepiece(file, "charsmap.model"), "charsmap.model");
  EXPECT_EQ(t.encode("AB"), t.encode("aB"));
  EXPECT_EQ(t.decode(t.encode("xAbc")), "xabc");
  EXPECT_EQ(make_tokenizer(t.vocabulary(), "gguf").encode("A"), t.encode("a"));
}

TEST(SentencePiece, LegacyInTheConfigSaysWhereTheSpaceGoes) {
  testing::TemporaryFolder folder;
  Tokenizer t = model({{std::string(kSpaceMark), -3}, {"a", -3}}, {});
  save_tokenizer(t, folder.path());
  EXPECT_EQ(load_tokenizer(folder.path()).rule(), t.rule());
  auto prefix_with = [&](const char* config) {
    write_file(folder.path() + "/tokenizer_config.json", config);
    return std::get<SentencePieceRule>(load_tokenizer(folder.path()).rule()).prefix;
  };
  EXPECT_EQ(prefix_with(R"({"legacy": true})"), SpacePrefix::Always);
  EXPECT_EQ(prefix_with(R"({})"), SpacePrefix::Always);
  EXPECT_EQ(prefix_with(R"({"legacy": false})"), SpacePrefix::First);
  EXPECT_EQ(prefix_with(R"({"legacy": false, "add_prefix_space": false})"), SpacePrefix::Never);
}

TEST(SentencePiece, OfTwoFilesTheClassDecides) {
  testing::TemporaryFolder folder;
  save_tokenizer(model({{"a", -1}}), folder.path());
  write_file(folder.path() + "/tokenizer.json", R"({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}})");
  auto is_sentencepiece = [&](const char* config) {
    write_file(folder.path() + "/tokenizer_config.json", config);
    return std::holds_alternative<SentencePieceRule>(load_tokenizer(folder.path()).rule());
  };
  EXPECT_FALSE(is_sentencepiece(R"({"tokenizer_class": "LlamaTokenizer"})")) << "its fast form reads tokenizer.json";
  EXPECT_TRUE(is_sentencepiece(R"({"tokenizer_class": "InternLM2Tokenizer"})"));
  EXPECT_TRUE(is_sentencepiece(R"({"auto_map": {"AutoTokenizer": ["x.MyTokenizer", null]}})"));
}

TEST(SentencePiece, AddedTokensTakeTheirIds) {
  testing::TemporaryFolder folder;
  save_tokenizer(model({{"a", -1}, {"[T]", 0, TokenType::UserDefined}}), folder.path());
  write_file(folder.path() + "/tokenizer_config.json", R"({"eos_token": "<|im_end|>", "added_tokens_decoder": {
      "4": {"content": "<|im_end|>", "special": true}, "7": {"content": "<img>", "special": false}}})");
  Tokenizer t = load_tokenizer(folder.path());
  EXPECT_EQ(t.vocab_size(), 8);
  EXPECT_EQ(t.encode("a<img>a<|im_end|>", {.parse_special = true}), (Ids{3, 7, 3, 4}));
  EXPECT_TRUE(t.is_end_of_generation(4));
  EXPECT_EQ(t.decode(Ids{7, 4}), "<img><|im_end|>");
}

TEST(SentencePiece, InternVl2sAddedTokens) {
  std::string file = testing::tokenizer_data("vocab/internlm2.model");
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "the tokenizer data set is not here";
  Tokenizer t = load_tokenizer(file, {.added_path = testing::tokenizer_data("vocab/internvl2.added.json")});
  EXPECT_EQ(t.vocab_size(), 92'553);
  EXPECT_EQ(t.encode("hello world 123  中文\n\tx", {.add_special = true}),
            (Ids{1, 15115, 2028, 262, 4575, 387, 69093, 364, 10361}));
  EXPECT_EQ(t.encode("<|im_start|>user\n<img><IMG_CONTEXT></img>", {.parse_special = true}),
            (Ids{92543, 1008, 364, 92544, 92546, 92545}));
  Json added = read_json(testing::tokenizer_data("vocab/internvl2.added.json"));
  for (const auto& [text, id] : added.items()) {
    EXPECT_EQ(t.encode(text, {.parse_special = true}), Ids{id.get<int32_t>()}) << text;
    EXPECT_EQ(t.decode(Ids{id.get<int32_t>()}), text);
  }
  testing::run_tokenizer_cases(make_tokenizer(t.vocabulary(), "round trip"), "internlm2", false);
}

TEST(SentencePiece, DamagedFilesAreRefused) {
  std::string whole = to_sentencepiece(model({{"a", -1}}).vocabulary(), {});
  auto parse = [](const std::string& file) { Tokenizer(parts_from_sentencepiece(file, "bad.model"), "bad.model"); };
  EXPECT_NO_THROW(parse(whole));
  int n_refused = 0;
  for (size_t n = 0; n < whole.size(); ++n) {
    try {
      parse(whole.substr(0, n));
    } catch (const Error&) {
      ++n_refused;
    }
  }
  EXPECT_GT(n_refused, static_cast<int>(whole.size()) / 2) << "most cuts are inside a field";
  for (const char* bad : {"", "\x0B", "\x0A\x7F", "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", "\x08\x01", "hello"})
    EXPECT_THROW(parse(bad), Error) << bad;
}

}  // namespace
}  // namespace galago
