// Merging one word: the fast paths against the definition.
#include "text/bpe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/rng.h"

namespace galago {
namespace {

// The definition: find the pair of lowest rank, leftmost first; replace it; again.
std::vector<int32_t> merge_slowly(const std::vector<Merge>& merges, std::vector<int32_t> word) {
  std::map<std::pair<int32_t, int32_t>, size_t> rank;
  for (size_t r = 0; r < merges.size(); ++r) rank.emplace(std::pair(merges[r].left, merges[r].right), r);
  for (;;) {
    size_t best = merges.size(), place = 0;
    for (size_t i = 0; i + 1 < word.size(); ++i) {
      auto it = rank.find({word[i], word[i + 1]});
      if (it != rank.end() && it->second < best) best = it->second, place = i;
    }
    if (best == merges.size()) return word;
    word[place] = merges[best].result;
    word.erase(word.begin() + static_cast<ptrdiff_t>(place) + 1);
  }
}

TEST(MergeTable, MergesAsTheDefinitionDoes) {
  Rng rng(11);
  for (int round = 0; round < 300; ++round) {
    std::vector<Merge> merges;
    int32_t n_symbols = 4;
    for (int i = 0; i < 40; ++i) {
      auto any = [&] { return static_cast<int32_t>(rng.below(n_symbols)); };
      merges.push_back({any(), any(), rng.chance(0.2) ? any() : n_symbols});
      n_symbols = std::max(n_symbols, merges.back().result + 1);
    }
    MergeTable table(merges);
    for (int64_t length : {0, 1, 2, 3, 7, 47, 48, 49, 200}) {
      std::vector<int32_t> word;
      for (int64_t i = 0; i < length; ++i) word.push_back(static_cast<int32_t>(rng.below(4)));
      auto wanted = merge_slowly(merges, word);
      auto found = word;
      table.apply(found);
      EXPECT_EQ(found, wanted) << "length " << length;
    }
  }
}

TEST(MergeTable, ALongWordIsNotSlow) {
  MergeTable table({{0, 0, 1}, {1, 1, 2}, {2, 2, 3}});
  std::vector<int32_t> word(1'000'000, 0);
  table.apply(word);
  EXPECT_EQ(word, std::vector<int32_t>(125'000, 3));
}

TEST(MergeTable, WorksWithoutMerges) {
  std::vector<int32_t> word = {3, 1, 2};
  MergeTable({}).apply(word);
  EXPECT_EQ(word, (std::vector<int32_t>{3, 1, 2}));
}

}  // namespace
}  // namespace galago
