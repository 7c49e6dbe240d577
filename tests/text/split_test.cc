// The hand-written splitters against what the published regular expressions give.
#include "text/split.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/rng.h"

namespace galago {
namespace {

using Words = std::vector<std::string>;

Words split(WordSplit rule, std::string_view text) {
  Words words;
  for (size_t begin = 0, end; begin < text.size(); begin = end) {
    end = word_end(rule, text, begin);
    words.emplace_back(text.substr(begin, end - begin));
  }
  return words;
}

struct Case {
  const char* text;
  Words gpt2, digits, qwen2, llama3;
};

TEST(Split, CutsAsThePatternsDo) {
  const Case cases[] = {
      {"Hello world", {"Hello", " world"}, {"Hello", " world"}, {"Hello", " world"}, {"Hello", " world"}},
      {"it's I'LL",
       {"it", "'s", " I", "'", "LL"},
       {"it", "'s", " I", "'", "LL"},
       {"it", "'s", " I", "'LL"},
       {"it", "'s", " I", "'LL"}},
      {"a 1234",
       {"a", " 1234"},
       {"a", " ", "1", "2", "3", "4"},
       {"a", " ", "1", "2", "3", "4"},
       {"a", " ", "123", "4"}},
      {"x   5", {"x", "  ", " 5"}, {"x", "   ", "5"}, {"x", "  ", " ", "5"}, {"x", "  ", " ", "5"}},
      {"(a)b", {"(", "a", ")", "b"}, {"(", "a", ")", "b"}, {"(a", ")b"}, {"(a", ")b"}},
      {"!\n\n x", {"!", "\n\n", " x"}, {"!", "\n\n", " x"}, {"!\n\n", " x"}, {"!\n\n", " x"}},
      {" \n \n  y", {" \n \n ", " y"}, {" \n \n ", " y"}, {" \n \n", " ", " y"}, {" \n \n", " ", " y"}},
      {"z  ", {"z", "  "}, {"z", "  "}, {"z", "  "}, {"z", "  "}},
      {"½²x", {"½²", "x"}, {"½", "²", "x"}, {"½", "²", "x"}, {"½²", "x"}},
      {"\tx", {"\t", "x"}, {"\t", "x"}, {"\tx"}, {"\tx"}},
      {"\xFFok", {"\xFF", "ok"}, {"\xFF", "ok"}, {"\xFFok"}, {"\xFFok"}},
      {"", {}, {}, {}, {}},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(split(WordSplit::Gpt2, c.text), c.gpt2) << c.text;
    EXPECT_EQ(split(WordSplit::DigitsGpt2, c.text), c.digits) << c.text;
    EXPECT_EQ(split(WordSplit::Qwen2, c.text), c.qwen2) << c.text;
    EXPECT_EQ(split(WordSplit::Llama3, c.text), c.llama3) << c.text;
  }
}

// The definition of DigitsGpt2: numeric characters cut out first, the GPT-2 split on each piece between.
TEST(Split, DigitsGpt2IsGpt2BetweenDigits) {
  Rng rng(7);
  const std::string alphabet = "ab 1  \n'st2.!";
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (int64_t n = rng.below(20); n > 0; --n)
      text += alphabet[static_cast<size_t>(rng.below(static_cast<int64_t>(alphabet.size())))];
    Words wanted;
    for (size_t i = 0; i < text.size();) {
      size_t end = text.find_first_of("12", i);
      end = end == std::string::npos ? text.size() : end;
      for (auto& word : split(WordSplit::Gpt2, std::string_view(text).substr(i, end - i))) wanted.push_back(word);
      if (end < text.size()) wanted.push_back(text.substr(end, 1));
      i = end + 1;
    }
    EXPECT_EQ(split(WordSplit::DigitsGpt2, text), wanted) << text;
  }
}

TEST(Split, PatternsAreKnownByTheirText) {
  for (WordSplit rule : {WordSplit::DigitsGpt2, WordSplit::Gpt2, WordSplit::Qwen2, WordSplit::Llama3}) {
    EXPECT_EQ(split_from_pattern(split_pattern(rule)), rule);
  }
  EXPECT_FALSE(split_from_pattern(R"(\w+)").has_value());
}

}  // namespace
}  // namespace galago
