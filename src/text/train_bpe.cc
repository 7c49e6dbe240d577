#include "text/train_bpe.h"

#include <algorithm>
#include <queue>

#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/load_tokenizer.h"
#include "text/unicode.h"

namespace galago {
namespace {

constexpr size_t kMaxWordBytes = 512;  // longer "words" are cut: each merge costs the length of the words it touches

using Symbol = uint32_t;  // index into texts_
using Pair = uint64_t;    // left << 32 | right

Pair pair_of(Symbol left, Symbol right) { return static_cast<Pair>(left) << 32 | right; }
Symbol left_of(Pair pair) { return static_cast<Symbol>(pair >> 32); }
Symbol right_of(Pair pair) { return static_cast<Symbol>(pair); }

// The state of one training: words as symbols, and for each pair how often it occurs and in which words.
class Trainer {
 public:
  explicit Trainer(const std::unordered_map<std::string, int64_t>& counts) : heap_(Later{&texts_}) {
    for (int byte = 0; byte < 256; ++byte) add_symbol(std::string(1, static_cast<char>(byte)));
    std::vector<std::pair<std::string_view, int64_t>> sorted(counts.begin(), counts.end());
    std::sort(sorted.begin(), sorted.end());  // the order of the hash table is not the same everywhere
    for (auto& [text, count] : sorted) add_word(text, count);
    for (auto& [pair, info] : pairs_) heap_.push({info.count, pair});
  }

  // The most frequent pair, now one symbol; nullopt if none occurs at least `min_count` times.
  std::optional<Pair> merge_best(int64_t min_count) {
    while (!heap_.empty()) {
      Candidate best = heap_.top();
      heap_.pop();
      auto it = pairs_.find(best.pair);
      if (it == pairs_.end() || best.count < it->second.count) continue;  // gone, or a newer entry is in the heap
      if (best.count > it->second.count) {                                // counted down since: back to its place
        heap_.push({it->second.count, best.pair});
        continue;
      }
      if (best.count < min_count) return std::nullopt;
      merge(best.pair);
      return best.pair;
    }
    return std::nullopt;
  }

  const std::string& text(Symbol symbol) const { return texts_[symbol]; }
  size_t n_symbols() const { return texts_.size(); }

 private:
  struct Word {
    std::vector<Symbol> symbols;
    int64_t count;
  };
  struct PairInfo {
    int64_t count = 0;
    std::vector<uint32_t> words;  // those that hold the pair, perhaps some that held it before
  };
  struct Candidate {
    int64_t count;
    Pair pair;
  };
  struct Later {
    const std::vector<std::string>* texts;
    bool operator()(const Candidate& a, const Candidate& b) const {
      if (a.count != b.count) return a.count < b.count;
      if (int order = (*texts)[left_of(a.pair)].compare((*texts)[left_of(b.pair)])) return order > 0;
      return (*texts)[right_of(a.pair)] > (*texts)[right_of(b.pair)];
    }
  };

  // Two merges may give the same text ("ab" + "c", "a" + "bc"): that is one symbol.
  Symbol add_symbol(const std::string& text) {
    auto [it, is_new] = symbols_.emplace(text, static_cast<Symbol>(texts_.size()));
    if (is_new) texts_.push_back(text);
    return it->second;
  }

  void add_word(std::string_view text, int64_t count) {
    Word word{{}, count};
    for (char byte : text) word.symbols.push_back(static_cast<unsigned char>(byte));
    for (size_t i = 0; i + 1 < word.symbols.size(); ++i) {
      PairInfo& info = pairs_[pair_of(word.symbols[i], word.symbols[i + 1])];
      info.count += count;
      note(info, static_cast<uint32_t>(words_.size()));
    }
    words_.push_back(std::move(word));
  }

  static void note(PairInfo& info, uint32_t word) {
    if (info.words.empty() || info.words.back() != word) info.words.push_back(word);
  }

  void merge(Pair pair) {
    Symbol merged = add_symbol(text(left_of(pair)) + text(right_of(pair)));
    changes_.clear();
    std::vector<uint32_t> touched = std::move(pairs_[pair].words);
    for (uint32_t word : touched) rewrite(word, pair, merged);
    for (auto [changed, by] : changes_) apply_change(changed, by);
  }

  // Counts the pairs of the word out, replaces the pair from the left, counts the new pairs in.
  void rewrite(uint32_t index, Pair pair, Symbol merged) {
    Word& word = words_[index];
    auto& s = word.symbols;
    auto is_pair = [&](size_t i) { return i + 1 < s.size() && pair_of(s[i], s[i + 1]) == pair; };
    size_t first = 0;
    while (first + 1 < s.size() && !is_pair(first)) ++first;
    if (first + 1 >= s.size()) return;
    count_pairs(word, -word.count);
    size_t n = first;
    for (size_t i = first; i < s.size();) {
      bool here = is_pair(i);
      Symbol next = here ? merged : s[i];
      i += here ? 2 : 1;
      s[n++] = next;
    }
    s.resize(n);
    count_pairs(word, word.count);
    for (size_t i = 0; i + 1 < n; ++i) {
      if (s[i] == merged || s[i + 1] == merged) note(pairs_[pair_of(s[i], s[i + 1])], index);
    }
  }

  void count_pairs(const Word& word, int64_t by) {
    for (size_t i = 0; i + 1 < word.symbols.size(); ++i) changes_[pair_of(word.symbols[i], word.symbols[i + 1])] += by;
  }

  void apply_change(Pair pair, int64_t by) {
    if (by == 0) return;
    auto it = pairs_.find(pair);
    it->second.count += by;
    if (it->second.count <= 0) {
      pairs_.erase(it);
    } else if (by > 0) {
      heap_.push({it->second.count, pair});
    }
  }

  std::vector<std::string> texts_;
  std::unordered_map<std::string, Symbol> symbols_;
  std::vector<Word> words_;
  std::unordered_map<Pair, PairInfo> pairs_;
  std::unordered_map<Pair, int64_t> changes_;  // of the merge under way
  std::priority_queue<Candidate, std::vector<Candidate>, Later> heap_;
};

void add_special_tokens(TokenizerParts& parts, const std::vector<std::string>& specials) {
  for (const std::string& text : specials) {
    parts.added.push_back({static_cast<int32_t>(parts.vocabulary.tokens.size()), text, true});
    parts.vocabulary.tokens.push_back(text);
    parts.vocabulary.types.push_back(static_cast<int32_t>(TokenType::Control));
  }
  guess_special_ids(parts);
  parts.vocabulary.add_bos = parts.vocabulary.special.bos.has_value();
}

}  // namespace

BpeTrainer::BpeTrainer(BpeTrainOptions options) : options_(std::move(options)) {
  size_t least = options_.specials.size() + 256;
  if (options_.vocab_size < 0 || static_cast<size_t>(options_.vocab_size) < least ||
      static_cast<size_t>(options_.vocab_size) > kMaxTokens) {
    throw invalid_input("a vocabulary of {} tokens: expected {} ({} special tokens and 256 bytes) to {}",
                        options_.vocab_size, least, options_.specials.size(), kMaxTokens);
  }
}

void BpeTrainer::add(std::string_view text) {
  std::string normal = options_.rule.nfc ? to_nfc(text) : std::string();
  if (options_.rule.nfc) text = normal;
  for (size_t begin = 0, end; begin < text.size(); begin = end) {
    end = word_end(options_.rule.split, text, begin);
    for (size_t i = begin; i < end; i += kMaxWordBytes) {
      ++counts_[std::string(text.substr(i, std::min(kMaxWordBytes, end - i)))];
    }
  }
}

Tokenizer BpeTrainer::train() const {
  TokenizerParts parts;
  parts.vocabulary.model = "gpt2";
  parts.rule = options_.rule;
  add_special_tokens(parts, options_.specials);
  Trainer trainer(counts_);
  std::vector<std::string>& tokens = parts.vocabulary.tokens;
  for (Symbol byte = 0; byte < 256; ++byte) tokens.push_back(to_byte_alphabet(trainer.text(byte)));
  while (tokens.size() < static_cast<size_t>(options_.vocab_size)) {
    size_t n_before = trainer.n_symbols();
    auto pair = trainer.merge_best(options_.min_count);
    if (!pair) break;
    std::string left = to_byte_alphabet(trainer.text(left_of(*pair)));
    std::string right = to_byte_alphabet(trainer.text(right_of(*pair)));
    parts.vocabulary.merges.push_back(left + " " + right);
    if (trainer.n_symbols() > n_before) tokens.push_back(left + right);
  }
  parts.vocabulary.types.resize(tokens.size(), static_cast<int32_t>(TokenType::Normal));
  return Tokenizer(std::move(parts), "trained tokenizer");
}

Tokenizer train_bpe(std::span<const std::string> corpus, BpeTrainOptions options) {
  BpeTrainer trainer(std::move(options));
  for (const std::string& text : corpus) trainer.add(text);
  return trainer.train();
}

}  // namespace galago
