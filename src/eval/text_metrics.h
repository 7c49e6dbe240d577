// Numbers about texts: overlap with other texts (ROUGE), variety, repetition, length.
//
// Words are runs of ASCII letters and digits, and bytes of UTF-8 outside ASCII, in lower case (ASCII only); an
// apostrophe or hyphen inside a word belongs to it ("don't" and "yo-yo" are one word each), all other marks separate.
// No stemming and no stop words, so the numbers are those of rouge-score with use_stemmer=False but for such words.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace galago {

std::vector<std::string> metric_words(std::string_view text);

// F1 of shared unigrams, bigrams (both with multiplicity) and of the longest common subsequence; Lin 2004, "ROUGE: A
// Package for Automatic Evaluation of Summaries". 0 where one of the texts has nothing to share.
struct Rouge {
  double rouge1 = 0, rouge2 = 0, rougeL = 0;  // 0..1
};
Rouge rouge(std::span<const std::string> candidate, std::span<const std::string> reference);
Rouge rouge(std::string_view candidate, std::string_view reference);

// Which of many known texts is nearest (by ROUGE-L): how much of a generated text was learnt by heart. Built once,
// then read by any number of threads. Time of one find is linear in the number of texts.
class NearestText {
 public:
  explicit NearestText(const std::vector<std::string>& texts);
  struct Match {
    int64_t index = -1;  // the first of the best; -1 when there are no texts
    Rouge score;
  };
  Match find(std::string_view text) const;
  size_t size() const { return texts_.size(); }

 private:
  std::vector<std::vector<std::string>> texts_;
};

// Different n-grams / all n-grams over a set of texts (n-grams never cross texts); 0 without any. Li et al. 2016,
// arXiv:1510.03055. It falls as the set grows: compare sets of equal size only.
double distinct_ngrams(std::span<const std::string> texts, int n);

// Share of the 3-grams of one text that occurred earlier in it: 0 for a text that never repeats itself, near 1 for a
// loop.
double repetition_rate(std::string_view text);

struct LengthStats {
  double mean = 0, deviation = 0;  // words; deviation of the population
  int64_t min = 0, max = 0;
};
LengthStats length_stats(std::span<const std::string> texts);

}  // namespace galago
