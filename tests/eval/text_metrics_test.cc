// Text metrics against numbers worked out by hand (the fractions show how).
#include "eval/text_metrics.h"

#include <gtest/gtest.h>

namespace galago {
namespace {

TEST(TextMetrics, WordsAreLowerCaseRunsOfLettersAndDigits) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(metric_words("Two  RED apples, a yo-yo; don't 'cry' - 3x!"),
            (Words{"two", "red", "apples", "a", "yo-yo", "don't", "cry", "3x"}));
  EXPECT_EQ(metric_words("caf\xc3\xa9-bar"), (Words{"caf\xc3\xa9-bar"}));
  EXPECT_TRUE(metric_words(" .,-' ").empty());
}

struct RougeCase {
  const char* candidate;
  const char* reference;
  double r1, r2, rl;
};

TEST(TextMetrics, RougeOfTenPairsByHand) {
  const RougeCase cases[] = {
      {"the cat sat", "the cat sat", 1, 1, 1},
      {"the cat sat", "THE CAT, sat.", 1, 1, 1},
      {"a b c", "d e f", 0, 0, 0},
      {"", "a b", 0, 0, 0},
      {"a b", "", 0, 0, 0},
      // Lin 2004: S1 "police killed the gunman", S2 "police kill the gunman", S3 "the gunman kill police".
      {"police kill the gunman", "police killed the gunman", 3 / 4., 1 / 3., 3 / 4.},
      {"the gunman kill police", "police killed the gunman", 3 / 4., 1 / 3., 2 / 4.},
      // Multiplicity counts: "a" is shared min(3, 1) = 1 time; no bigram of the one-word reference.
      {"a a a", "a", 2 * 1 / 4., 0, 2 * 1 / 4.},
      // 5 of 6 words each; bigrams on-the, the-mat, the-cat shared: 3 of 5; LCS "the cat on the mat" is 5.
      {"the cat is on the mat", "the cat sat on the mat", 5 / 6., 3 / 5., 5 / 6.},
      // Order: 3 shared words, no shared bigram, LCS 1.
      {"c b a", "a b c", 1, 0, 1 / 3.},
  };
  for (const RougeCase& c : cases) {
    Rouge r = rouge(std::string_view(c.candidate), std::string_view(c.reference));
    EXPECT_DOUBLE_EQ(r.rouge1, c.r1) << c.candidate << " / " << c.reference;
    EXPECT_DOUBLE_EQ(r.rouge2, c.r2) << c.candidate << " / " << c.reference;
    EXPECT_DOUBLE_EQ(r.rougeL, c.rl) << c.candidate << " / " << c.reference;
  }
}

TEST(TextMetrics, NearestIsTheFirstOfTheBest) {
  NearestText nearest({"a dog", "two red apples on grass", "two red apples on grass", "two apples"});
  auto match = nearest.find("two red apples, on sand.");
  EXPECT_EQ(match.index, 1);
  EXPECT_DOUBLE_EQ(match.score.rouge1, 4 / 5.);
  EXPECT_DOUBLE_EQ(match.score.rouge2, 3 / 4.);
  EXPECT_DOUBLE_EQ(match.score.rougeL, 4 / 5.);
  EXPECT_EQ(NearestText({}).find("a").index, -1);
}

TEST(TextMetrics, DistinctCountsOverTheWholeSet) {
  std::vector<std::string> texts = {"a b a", "a b c"};
  EXPECT_DOUBLE_EQ(distinct_ngrams(texts, 1), 3 / 6.);  // a, b, c
  EXPECT_DOUBLE_EQ(distinct_ngrams(texts, 2), 3 / 4.);  // ab, ba, bc of ab, ba, ab, bc
  EXPECT_DOUBLE_EQ(distinct_ngrams({}, 1), 0);
}

TEST(TextMetrics, RepetitionIsTheShareOfSeenTrigrams) {
  EXPECT_DOUBLE_EQ(repetition_rate("a b c d"), 0);
  EXPECT_DOUBLE_EQ(repetition_rate("a b c a b c"), 1 / 4.);  // abc, bca, cab, abc
  EXPECT_DOUBLE_EQ(repetition_rate("no no no no no no"), 3 / 4.);
  EXPECT_DOUBLE_EQ(repetition_rate("a b"), 0);
}

TEST(TextMetrics, LengthsInWords) {
  std::vector<std::string> texts = {"one", "one two three", ""};
  LengthStats s = length_stats(texts);
  EXPECT_EQ(s.min, 0);
  EXPECT_EQ(s.max, 3);
  EXPECT_DOUBLE_EQ(s.mean, 4 / 3.);
  EXPECT_NEAR(s.deviation, 1.2472191289, 1e-9);  // sqrt(10/3 - 16/9)
  EXPECT_EQ(length_stats({}).max, 0);
}

}  // namespace
}  // namespace galago
