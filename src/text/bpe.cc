#include "text/bpe.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <queue>

#include "base/error.h"

namespace galago {
namespace {

constexpr size_t kShort = 48;  // up to here a scan of the ranks beats a heap

uint64_t pair_hash(int32_t left, int32_t right) {
  uint64_t key = static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  return (key ^ (key >> 29)) * 0x9E3779B97F4A7C15ull;
}

}  // namespace

MergeTable::MergeTable(std::vector<Merge> merges) : merges_(std::move(merges)) {
  CHECK(merges_.size() < kNone);
  size_t n_slots = std::bit_ceil(merges_.size() * 2 + 2);
  shift_ = 64 - std::countr_zero(n_slots);
  slots_.assign(n_slots, kNone);
  for (uint32_t r = 0; r < merges_.size(); ++r) {
    const Merge& m = merges_[r];
    if (rank(m.left, m.right) != kNone) continue;
    size_t slot = pair_hash(m.left, m.right) >> shift_;
    while (slots_[slot] != kNone) slot = (slot + 1) & (n_slots - 1);
    slots_[slot] = r;
  }
}

uint32_t MergeTable::rank(int32_t left, int32_t right) const {
  size_t slot = pair_hash(left, right) >> shift_;
  for (;; slot = (slot + 1) & (slots_.size() - 1)) {
    uint32_t r = slots_[slot];
    if (r == kNone || (merges_[r].left == left && merges_[r].right == right)) return r;
  }
}

void MergeTable::apply_from(std::vector<int32_t>& word, size_t begin) const {
  size_t n = word.size() - begin;
  if (n < 2) return;
  word.resize(begin + (n <= kShort ? merge_short(&word[begin], n) : merge_long(&word[begin], n)));
}

// ranks[i] belongs to the pair (word[i], word[i + 1]).
size_t MergeTable::merge_short(int32_t* word, size_t n) const {
  std::array<uint32_t, kShort> ranks;
  for (size_t i = 0; i + 1 < n; ++i) ranks[i] = rank(word[i], word[i + 1]);
  while (n > 1) {
    auto best = std::min_element(ranks.begin(), ranks.begin() + n - 1);
    if (*best == kNone) break;
    size_t i = static_cast<size_t>(best - ranks.begin());
    word[i] = merges_[*best].result;
    std::copy(word + i + 2, word + n, word + i + 1);
    std::copy(ranks.begin() + i + 1, ranks.begin() + n - 1, ranks.begin() + i);
    --n;
    if (i > 0) ranks[i - 1] = rank(word[i - 1], word[i]);
    if (i + 1 < n) ranks[i] = rank(word[i], word[i + 1]);
  }
  return n;
}

// A linked list of symbols and a heap of (rank, place). An entry counts only if its place still has that rank.
size_t MergeTable::merge_long(int32_t* word, size_t n) const {
  CHECK(n < kNone, "a word of {} symbols", n);
  std::vector<uint32_t> previous(n), next(n), ranks(n, kNone);
  std::vector<uint64_t> entries;
  for (size_t i = 0; i < n; ++i) {
    previous[i] = static_cast<uint32_t>(i) - 1;  // kNone before the first
    next[i] = i + 1 < n ? static_cast<uint32_t>(i + 1) : kNone;
    if (i + 1 < n) ranks[i] = rank(word[i], word[i + 1]);
    if (ranks[i] != kNone) entries.push_back(static_cast<uint64_t>(ranks[i]) << 32 | i);
  }
  std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>> heap(std::greater<>(), std::move(entries));
  auto update = [&](uint32_t i) {
    ranks[i] = next[i] == kNone ? kNone : rank(word[i], word[next[i]]);
    if (ranks[i] != kNone) heap.push(static_cast<uint64_t>(ranks[i]) << 32 | i);
  };
  while (!heap.empty()) {
    uint64_t entry = heap.top();
    heap.pop();
    auto i = static_cast<uint32_t>(entry);
    auto r = static_cast<uint32_t>(entry >> 32);
    if (ranks[i] != r) continue;
    uint32_t gone = next[i];
    word[i] = merges_[r].result;
    ranks[gone] = kNone;
    next[i] = next[gone];
    if (next[gone] != kNone) previous[next[gone]] = i;
    update(i);
    if (previous[i] != kNone) update(previous[i]);
  }
  size_t n_left = 0;
  for (uint32_t i = 0; i != kNone; i = next[i]) word[n_left++] = word[i];  // n_left <= i: never overtakes
  return n_left;
}

}  // namespace galago
