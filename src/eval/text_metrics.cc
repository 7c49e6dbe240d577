#include "eval/text_metrics.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace galago {
namespace {

using Words = std::span<const std::string>;

bool is_word_byte(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 128;
}

bool joins_words(std::string_view text, size_t at) {
  bool mark = text[at] == '\'' || text[at] == '-';
  return mark && at > 0 && at + 1 < text.size() && is_word_byte(text[at - 1]) && is_word_byte(text[at + 1]);
}

// The n words from `at` as one key; words hold no blanks.
std::string ngram(Words words, size_t at, int n) {
  std::string key;
  for (int i = 0; i < n; ++i) key += words[at + static_cast<size_t>(i)] + ' ';
  return key;
}

std::map<std::string, int64_t> count_ngrams(Words words, int n) {
  std::map<std::string, int64_t> counts;
  for (size_t at = 0; at + static_cast<size_t>(n) <= words.size(); ++at) ++counts[ngram(words, at, n)];
  return counts;
}

double f1(double shared, double in_candidate, double in_reference) {
  return shared == 0 ? 0 : 2 * shared / (in_candidate + in_reference);
}

double ngram_f1(Words candidate, Words reference, int n) {
  auto a = count_ngrams(candidate, n), b = count_ngrams(reference, n);
  int64_t shared = 0, in_a = 0, in_b = 0;
  for (auto& [key, count] : a) in_a += count;
  for (auto& [key, count] : b) {
    in_b += count;
    if (auto found = a.find(key); found != a.end()) shared += std::min(count, found->second);
  }
  return f1(static_cast<double>(shared), static_cast<double>(in_a), static_cast<double>(in_b));
}

// Length of the longest common subsequence, one row of the table at a time.
size_t common_subsequence(Words a, Words b) {
  std::vector<size_t> row(b.size() + 1, 0);
  for (const std::string& word : a) {
    size_t diagonal = 0;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t above = row[j];
      row[j] = word == b[j - 1] ? diagonal + 1 : std::max(above, row[j - 1]);
      diagonal = above;
    }
  }
  return row.back();
}

double subsequence_f1(Words a, Words b) {
  return f1(static_cast<double>(common_subsequence(a, b)), static_cast<double>(a.size()),
            static_cast<double>(b.size()));
}

}  // namespace

std::vector<std::string> metric_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    if (is_word_byte(c) || joins_words(text, i)) {
      word += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

Rouge rouge(Words candidate, Words reference) {
  return {ngram_f1(candidate, reference, 1), ngram_f1(candidate, reference, 2), subsequence_f1(candidate, reference)};
}

Rouge rouge(std::string_view candidate, std::string_view reference) {
  return rouge(metric_words(candidate), metric_words(reference));
}

NearestText::NearestText(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) texts_.push_back(metric_words(text));
}

NearestText::Match NearestText::find(std::string_view text) const {
  std::vector<std::string> words = metric_words(text);
  Match best;
  double best_score = -1;
  for (size_t i = 0; i < texts_.size(); ++i) {
    double score = subsequence_f1(words, texts_[i]);
    if (score <= best_score) continue;
    best_score = score;
    best.index = static_cast<int64_t>(i);
  }
  if (best.index >= 0) best.score = rouge(words, texts_[static_cast<size_t>(best.index)]);
  return best;
}

double distinct_ngrams(std::span<const std::string> texts, int n) {
  std::set<std::string> different;
  int64_t all = 0;
  for (const std::string& text : texts)
    for (auto& [key, count] : count_ngrams(metric_words(text), n)) {
      different.insert(key);
      all += count;
    }
  return all == 0 ? 0 : static_cast<double>(different.size()) / static_cast<double>(all);
}

double repetition_rate(std::string_view text) {
  auto counts = count_ngrams(metric_words(text), 3);
  int64_t all = 0;
  for (auto& [key, count] : counts) all += count;
  return all == 0 ? 0 : 1 - static_cast<double>(counts.size()) / static_cast<double>(all);
}

LengthStats length_stats(std::span<const std::string> texts) {
  if (texts.empty()) return {};
  LengthStats stats{.min = INT64_MAX};
  double squares = 0;
  for (const std::string& text : texts) {
    auto n = static_cast<int64_t>(metric_words(text).size());
    stats.min = std::min(stats.min, n);
    stats.max = std::max(stats.max, n);
    stats.mean += static_cast<double>(n);
    squares += static_cast<double>(n * n);
  }
  auto count = static_cast<double>(texts.size());
  stats.mean /= count;
  stats.deviation = std::sqrt(std::max(0.0, squares / count - stats.mean * stats.mean));
  return stats;
}

}  // namespace galago
