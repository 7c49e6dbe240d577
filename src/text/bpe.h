// Byte pair encoding: the merge rules of one vocabulary and how they apply to one word. Sennrich et al. 2016
// (arXiv:1508.07909). Used by Tokenizer; ids are token ids, the text is not seen here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace galago {

struct Merge {
  int32_t left, right, result;
};

// Immutable; any number of threads may use it.
class MergeTable {
 public:
  explicit MergeTable(std::vector<Merge> merges);  // in order of rank; the first of two equal pairs counts

  // Replaces the adjacent pair of lowest rank (leftmost first) by its result, until none is left.
  // Time is O(n log n) in the length of the word.
  void apply(std::vector<int32_t>& word) const { apply_from(word, 0); }
  // The same for word[begin..], where one vector collects the ids of many words.
  void apply_from(std::vector<int32_t>& word, size_t begin) const;

  const std::vector<Merge>& merges() const { return merges_; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t rank(int32_t left, int32_t right) const;
  size_t merge_short(int32_t* word, size_t n) const;
  size_t merge_long(int32_t* word, size_t n) const;

  std::vector<Merge> merges_;
  std::vector<uint32_t> slots_;  // open addressing: pair -> rank
  int shift_ = 63;
};

}  // namespace galago
