// SentencePiece BPE: user-defined pieces are cut out, then the neighbours whose concatenation is the piece of highest
// score become one, leftmost first, until none is left. Source: google/sentencepiece, bpe_model.cc. The unigram model
// is in unigram.cc.
#include <algorithm>
#include <cmath>
#include <queue>
#include <unordered_map>

#include "base/error.h"
#include "text/engine.h"
#include "text/sentencepiece_normalizer.h"
#include "text/unicode.h"

namespace galago {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

// A stretch of the text. After a merge the left one grows and the right one has length 0.
struct Symbol {
  size_t begin;
  uint32_t length;
  uint32_t previous, next;
  bool frozen;  // a user-defined piece
};

struct Pair {
  float score;
  uint32_t left, right;
  uint32_t length;  // of both when the pair was found: another length now means that one has changed
  bool operator<(const Pair& other) const { return score != other.score ? score < other.score : left > other.left; }
};

class SentencePieceBpe : public TokenizerEngine {
 public:
  SentencePieceBpe(const SentencePieceRule& rule, const EngineParts& parts)
      : table_(parts.table),
        scores_(parts.vocabulary.scores),
        normalizer_(rule, parts),
        index_(parts.table, [&](int32_t id) { return merges_into(parts.table.type(id)); }),
        fallback_(parts, rule.byte_fallback) {
    scores_.resize(static_cast<size_t>(table_.size()), 0.0f);
  }

  std::optional<std::string> normalize(std::string_view text, bool starts_text) const override {
    return normalizer_.normalize(text, starts_text);
  }

  void encode(std::string_view text, std::vector<int32_t>& out) const override {
    if (text.size() >= kNone) throw invalid_input("text of {} bytes: the limit is 4 GB", text.size());
    std::vector<Symbol> symbols = cut(text);
    Halves halves;
    merge(text, symbols, halves);
    size_t fused_at = SIZE_MAX;
    for (uint32_t i = symbols.empty() ? kNone : 0; i != kNone; i = symbols[i].next)
      append(text.substr(symbols[i].begin, symbols[i].length), halves, out, fused_at);
  }

 private:
  // Where an unused piece was put together: it is taken apart again at the end.
  using Halves = std::unordered_map<std::string_view, size_t>;  // piece -> length of its left half

  static bool merges_into(TokenType type) {
    return type == TokenType::Normal || type == TokenType::UserDefined || type == TokenType::Unused;
  }

  std::vector<Symbol> cut(std::string_view text) const {
    std::vector<Symbol> symbols;
    for (size_t at = 0; at < text.size(); at += symbols.back().length) {
      auto place = static_cast<uint32_t>(symbols.size());
      size_t frozen = normalizer_.user_defined_at(text, at);
      auto length = static_cast<uint32_t>(frozen ? frozen : decode_utf8(text, at).length);
      symbols.push_back({at, length, place - 1, place + 1, frozen > 0});  // kNone before the first
    }
    if (!symbols.empty()) symbols.back().next = kNone;
    return symbols;
  }

  void merge(std::string_view text, std::vector<Symbol>& symbols, Halves& halves) const {
    std::priority_queue<Pair> queue;
    auto consider = [&](uint32_t left, uint32_t right) {
      if (left == kNone || right == kNone || symbols[left].frozen || symbols[right].frozen) return;
      std::string_view both = text.substr(symbols[left].begin, symbols[left].length + symbols[right].length);
      auto id = index_.find(both);
      if (!id) return;
      queue.push({scores_[static_cast<size_t>(*id)], left, right, static_cast<uint32_t>(both.size())});
      if (table_.type(*id) == TokenType::Unused) halves[both] = symbols[left].length;
    };
    for (uint32_t i = 1; i < symbols.size(); ++i) consider(i - 1, i);
    while (!queue.empty()) {
      Pair pair = queue.top();
      queue.pop();
      Symbol &left = symbols[pair.left], &right = symbols[pair.right];
      if (!left.length || !right.length || left.length + right.length != pair.length) continue;
      left.length += right.length;
      right.length = 0;
      left.next = right.next;
      if (right.next != kNone) symbols[right.next].previous = pair.left;
      consider(left.previous, pair.left);
      consider(pair.left, left.next);
    }
  }

  void append(std::string_view piece, const Halves& halves, std::vector<int32_t>& out, size_t& fused_at) const {
    std::vector<std::string_view> waiting = {piece};
    while (!waiting.empty()) {
      std::string_view next = waiting.back();
      waiting.pop_back();
      auto id = index_.find(next);
      auto half = id && table_.type(*id) == TokenType::Unused ? halves.find(next) : halves.end();
      if (half != halves.end()) {
        waiting.push_back(next.substr(half->second));
        waiting.push_back(next.substr(0, half->second));
      } else if (id) {
        out.push_back(*id);
      } else {
        fallback_.append(next, out, fused_at, true);
      }
    }
  }

  const TokenTable& table_;
  std::vector<float> scores_;
  SentencePieceNormalizer normalizer_;
  TextIndex index_;
  Fallback fallback_;
};

}  // namespace

EnginePointer make_engine(const SentencePieceRule& rule, const EngineParts& parts) {
  const Vocabulary& v = parts.vocabulary;
  if (!v.scores.empty() && v.scores.size() != v.tokens.size())
    throw invalid_input("{}: {} scores for {} tokens, expected as many", parts.subject, v.scores.size(),
                        v.tokens.size());
  if (!std::ranges::all_of(v.scores, [](float score) { return std::isfinite(score); }))
    throw invalid_input("{}: a score is not a finite number", parts.subject);
  if (rule.unigram) return make_unigram_engine(rule, parts);
  return std::make_shared<SentencePieceBpe>(rule, parts);
}

}  // namespace galago
