// What every tokenizer must do, on a small trained one: round trips, added tokens, streaming.
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/rng.h"
#include "tests/text/random_text.h"
#include "text/make_tokenizer.h"
#include "text/streaming_decoder.h"
#include "text/train_bpe.h"

namespace galago {
namespace {

using testing::random_bytes;
using testing::random_text;
using Ids = std::vector<int32_t>;

Tokenizer small_tokenizer(ByteLevelRule rule = {}) {
  Rng rng(5);
  BpeTrainer trainer({.vocab_size = 700, .rule = rule});
  for (int i = 0; i < 500; ++i) trainer.add(random_text(rng, 40) + " the cat sat on the mat");
  return trainer.train();
}

TEST(Tokenizer, DecodesWhatItEncodedWhateverTheBytes) {
  Rng rng(1);
  for (WordSplit split : {WordSplit::Gpt2, WordSplit::DigitsGpt2, WordSplit::Qwen2, WordSplit::Llama3}) {
    Tokenizer tokenizer = small_tokenizer({split});
    for (int round = 0; round < 300; ++round) {
      std::string text = rng.chance(0.5) ? random_text(rng, 60) : random_bytes(rng, 60);
      EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
    }
  }
}

TEST(Tokenizer, ALongTextIsEncodedAsItsParts) {  // the word cache changes nothing
  Tokenizer tokenizer = small_tokenizer();
  Rng rng(2);
  std::string text;
  Ids wanted;
  while (text.size() < 50'000) {
    std::string line = "the cat " + random_text(rng, 30) + "\n";
    if (!text.empty() && text.size() % 2) line = "the mat\n";
    line = "x" + line;  // a letter after a newline: words never span two lines
    for (int32_t id : tokenizer.encode(line)) wanted.push_back(id);
    text += line;
  }
  EXPECT_EQ(tokenizer.encode(text), wanted);
}

TEST(Tokenizer, OneMegabyteOfOneLetterIsNotSlow) {
  Tokenizer tokenizer = small_tokenizer();
  std::string text(1'000'000, 'a');
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
}

TEST(Tokenizer, ControlTokensAreFoundOnlyWhenAsked) {
  Tokenizer tokenizer = small_tokenizer();
  EXPECT_EQ(tokenizer.encode("<bos><eos>", {.parse_special = true}), (Ids{1, 2}));
  for (int32_t id : tokenizer.encode("<bos><eos>")) EXPECT_FALSE(tokenizer.is_special(id));
}

TEST(Tokenizer, IdsOutsideTheVocabularyAreRefused) {
  Tokenizer tokenizer = small_tokenizer();
  EXPECT_THROW(tokenizer.decode(Ids{700}), Error);
  EXPECT_THROW(tokenizer.decode(Ids{-1}), Error);
  EXPECT_FALSE(tokenizer.is_special(-1));
  EXPECT_FALSE(tokenizer.is_end_of_generation(1'000'000));
}

TEST(Tokenizer, ACopyOutlivesTheOriginal) {
  auto original = std::make_unique<Tokenizer>(small_tokenizer());
  Ids wanted = original->encode("the cat");
  Tokenizer copy = *original;
  original.reset();
  EXPECT_EQ(copy.encode("the cat"), wanted);
  EXPECT_EQ(copy.find(" the"), wanted.empty() ? std::nullopt : copy.find(" the"));
}

Vocabulary letters(std::vector<std::string> more) {
  Vocabulary v;
  v.model = "gpt2";
  v.pre = "gpt-2";
  for (const char* token : {"a", "b", "c", "ab", "abc"}) v.tokens.push_back(token);
  v.merges = {"a b", "ab c"};
  v.types.assign(v.tokens.size(), 1);
  for (auto& token : more) v.tokens.push_back(token), v.types.push_back(4);
  return v;
}

TEST(AddedTokens, LeftmostThenLongestWins) {
  Tokenizer tokenizer = make_tokenizer(letters({"[x]", "[x]y", "x]y z"}), "test");
  EXPECT_EQ(tokenizer.encode("ab[x]yc"), (Ids{3, 6, 2}));
  EXPECT_EQ(tokenizer.encode("[x]abc"), (Ids{5, 4}));
  EXPECT_EQ(tokenizer.encode("[x]y z"), (Ids{6}));  // " z" has no token: dropped
}

TEST(AddedTokens, StripAndSingleWordAreHonoured) {
  AddedTokens tokens({{7, "<a>", false, false, true, false, false},
                      {8, "<b>", false, false, false, true, false},
                      {9, "cd", false, false, false, false, true}});
  auto ids = [&](std::string_view text) {
    std::vector<std::string> out;
    for (auto& f : tokens.split(text, false)) out.push_back(f.id ? std::to_string(*f.id) : std::string(f.text));
    return out;
  };
  using Strings = std::vector<std::string>;
  EXPECT_EQ(ids("x  <a>  y"), (Strings{"x", "7", "  y"}));
  EXPECT_EQ(ids("x  <b>  y"), (Strings{"x  ", "8", "y"}));
  EXPECT_EQ(ids("<b> <a>"), (Strings{"8", "7"}));
  EXPECT_EQ(ids("cd acd cd1 (cd) écd"), (Strings{"9", " acd cd1 (", "9", ") écd"}));
}

TEST(Tokenizer, AWordThatIsATokenMayWinOverTheMerges) {
  Vocabulary v = letters({});
  v.tokens.push_back("cab"), v.types.push_back(1);
  EXPECT_EQ(make_tokenizer(v, "test").encode("cab"), (Ids{2, 3}));
  v.pre = "llama-bpe";
  EXPECT_EQ(make_tokenizer(v, "test").encode("cab"), (Ids{5}));
}

TEST(Tokenizer, AVocabularyThatContradictsItselfIsRefused) {
  auto refused = [](auto change) {
    Vocabulary v = letters({});
    change(v);
    EXPECT_THROW(make_tokenizer(v, "test"), Error);
  };
  refused([](Vocabulary& v) { v.merges.push_back("ab"); });
  refused([](Vocabulary& v) { v.merges.push_back("a z"); });
  refused([](Vocabulary& v) { v.merges.push_back("b c"); });
  refused([](Vocabulary& v) { v.merges.push_back(""); });
  refused([](Vocabulary& v) { v.types.push_back(1); });
  refused([](Vocabulary& v) { v.types[0] = 9; });
  refused([](Vocabulary& v) { v.tokens.clear(), v.types.clear(); });
  refused([](Vocabulary& v) { v.model = "rwkv"; });
  refused([](Vocabulary& v) { v.tokens.push_back(std::string(2000, 'x')), v.types.push_back(4); });
  Vocabulary v = letters({});
  v.special.eos = 99;
  EXPECT_FALSE(make_tokenizer(v, "test").special_ids().eos.has_value()) << "ignored, as llama.cpp does";
}

TEST(StreamingDecoder, NeverGivesHalfACharacter) {
  Tokenizer tokenizer = small_tokenizer();
  Rng rng(9);
  for (int round = 0; round < 1000; ++round) {
    Ids ids;
    for (int64_t n = rng.below(40); n > 0; --n) ids.push_back(static_cast<int32_t>(rng.below(tokenizer.vocab_size())));
    if (rng.chance(0.5)) ids = tokenizer.encode(random_text(rng, 30));
    StreamingDecoder decoder(tokenizer, true);
    std::string text;
    for (int32_t id : ids) {
      std::string part = decoder.push(id);
      EXPECT_TRUE(is_valid_utf8(part));
      text += part;
    }
    text += decoder.finish();
    EXPECT_EQ(text, replace_invalid_utf8(tokenizer.decode(ids, true)));
  }
}

TEST(StreamingDecoder, WaitsForTheRestOfACharacter) {
  Tokenizer tokenizer = train_bpe({}, {.vocab_size = 260});  // bytes only; the token of byte b is 4 + b
  StreamingDecoder decoder(tokenizer);
  EXPECT_EQ(decoder.push(4 + 0xF0), "");
  EXPECT_EQ(decoder.push(4 + 0x9F), "");
  EXPECT_EQ(decoder.push(4 + 0x98), "");
  EXPECT_EQ(decoder.push(4 + 0x80), "😀");
  EXPECT_EQ(decoder.push(4 + 0xE2), "");
  EXPECT_EQ(decoder.push(4 + 'x'), "\uFFFDx");
  EXPECT_EQ(decoder.push(4 + 0xC3), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD");
  EXPECT_EQ(decoder.finish(), "");
}

}  // namespace
}  // namespace galago
