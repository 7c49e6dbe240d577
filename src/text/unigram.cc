// SentencePiece unigram: of all ways to cut a text into pieces, the one with the highest sum of scores (Kudo 2018,
// arXiv:1804.10959; Viterbi). Source: google/sentencepiece, unigram_model.cc.
#include <algorithm>
#include <limits>

#include "base/error.h"
#include "text/engine.h"
#include "text/sentencepiece_normalizer.h"
#include "text/unicode.h"

namespace galago {
namespace {

constexpr float kUnknownPenalty = 10.0f;  // an unknown character scores this much less than the worst piece

struct Best {
  float score = -std::numeric_limits<float>::infinity();
  size_t begin = 0;  // where the last piece begins
  int32_t id = -1;   // -1: an unknown character
  bool reached = false;
};

class Unigram : public TokenizerEngine {
 public:
  Unigram(const SentencePieceRule& rule, const EngineParts& parts)
      : normalizer_(rule, parts), fallback_(parts, rule.byte_fallback), scores_(parts.vocabulary.scores) {
    scores_.resize(static_cast<size_t>(parts.table.size()), 0.0f);
    find_score_range(parts.table);
    for (int32_t id = 0; id < parts.table.size(); ++id) add_piece(parts, id);
  }

  std::optional<std::string> normalize(std::string_view text, bool starts_text) const override {
    return normalizer_.normalize(text, starts_text);
  }

  void encode(std::string_view text, std::vector<int32_t>& out) const override {
    std::vector<Best> best = best_paths(text);
    std::vector<size_t> ends;  // of the pieces of the best path, last first
    for (size_t end = text.size(); end > 0; end = best[end].begin) ends.push_back(end);
    size_t fused_at = SIZE_MAX;
    for (auto end = ends.rbegin(); end != ends.rend(); ++end) {
      const Best& piece = best[*end];
      if (piece.id >= 0) {
        out.push_back(piece.id);
      } else {
        fallback_.append(text.substr(piece.begin, *end - piece.begin), out, fused_at, true);
      }
    }
  }

 private:
  void find_score_range(const TokenTable& table) {
    bool any = false;
    for (int32_t id = 0; id < table.size(); ++id) {
      if (table.type(id) != TokenType::Normal) continue;
      float score = scores_[static_cast<size_t>(id)];
      lowest_ = any ? std::min(lowest_, score) : score;
      highest_ = any ? std::max(highest_, score) : score;
      any = true;
    }
  }

  // A user-defined piece scores above anything that could be put in its place.
  void add_piece(const EngineParts& parts, int32_t id) {
    TokenType type = parts.table.type(id);
    std::string_view text = parts.table.text(id);
    if (type != TokenType::Normal && type != TokenType::UserDefined) return;
    if (text.size() > kMaxTrieKey)
      throw invalid_input("{}: piece {} is {} bytes long, the limit is {}", parts.subject, id, text.size(),
                          kMaxTrieKey);
    float& score = scores_[static_cast<size_t>(id)];
    if (type == TokenType::UserDefined) score = static_cast<float>(text.size()) * highest_ - 0.1f;
    if (!pieces_.find(text)) pieces_.add(text, id);
  }

  std::vector<Best> best_paths(std::string_view text) const {
    std::vector<Best> best(text.size() + 1);
    best[0] = {0.0f, 0, -1, true};
    auto offer = [&](size_t begin, size_t end, int32_t id, float score) {
      float sum = best[begin].score + score;
      if (!best[end].reached || sum > best[end].score) best[end] = {sum, begin, id, true};
    };
    for (size_t begin = 0, character; begin < text.size(); begin += character) {
      character = decode_utf8(text, begin).length;
      bool has_single = false;
      pieces_.each_match(text, begin, [&](size_t end, int32_t id) {
        has_single = has_single || end == begin + character;
        offer(begin, end, id, scores_[static_cast<size_t>(id)]);
      });
      if (!has_single) offer(begin, begin + character, -1, lowest_ - kUnknownPenalty);
    }
    return best;
  }

  SentencePieceNormalizer normalizer_;
  Fallback fallback_;
  std::vector<float> scores_;
  ByteTrie pieces_;
  float lowest_ = 0, highest_ = 0;
};

}  // namespace

EnginePointer make_unigram_engine(const SentencePieceRule& rule, const EngineParts& parts) {
  return std::make_shared<Unigram>(rule, parts);
}

}  // namespace galago
