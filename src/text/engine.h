// The engine of one kind of tokenizer: text between added tokens to ids. Tokenizer owns one and does what all kinds
// share: added tokens, begin and end tokens, decoding. One file a kind: byte_level.cc, sentencepiece.cc, unigram.cc,
// char_bpe.cc, word_piece.cc.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/bpe.h"
#include "text/token_table.h"
#include "text/tokenizer_rule.h"

namespace galago {

// Immutable; any number of threads may use it.
class TokenizerEngine {
 public:
  virtual ~TokenizerEngine() = default;

  // The text as encode() wants it, before the added tokens that are found in normalised text; nullopt: as it is.
  // `starts_text`: nothing comes before it.
  virtual std::optional<std::string> normalize(std::string_view text, bool starts_text) const = 0;

  // Appends the ids of a normalised text.
  virtual void encode(std::string_view normalized, std::vector<int32_t>& out) const = 0;

  virtual std::span<const Merge> merges() const { return {}; }  // for writing
};

struct EngineParts {
  const TokenTable& table;  // must outlive the engine
  const Vocabulary& vocabulary;
  std::optional<int32_t> unknown;  // the token for what has none; nullopt: it is dropped
  std::string subject;             // for errors
};

// Each throws InvalidInput naming the subject for a vocabulary that contradicts itself.
using EnginePointer = std::shared_ptr<const TokenizerEngine>;
EnginePointer make_engine(const ByteLevelRule& rule, const EngineParts& parts);
EnginePointer make_engine(const SentencePieceRule& rule, const EngineParts& parts);
EnginePointer make_engine(const CharBpeRule& rule, const EngineParts& parts);
EnginePointer make_engine(const WordPieceRule& rule, const EngineParts& parts);
EnginePointer make_unigram_engine(const SentencePieceRule& rule, const EngineParts& parts);

// The merges of a vocabulary ("left right") as ids; find(text) gives the id of a symbol.
std::vector<Merge> resolve_merges(const EngineParts& parts,
                                  const std::function<std::optional<int32_t>(std::string_view)>& find);

// What becomes of characters that are no token: bytes where all 256 <0xXX> tokens are there, else the unknown token.
class Fallback {
 public:
  Fallback(const EngineParts& parts, bool bytes);

  bool has_bytes() const { return !byte_ids_.empty(); }
  // Appends the ids of `text`. With `fuse`, an unknown token right after one that this very `out` ends with at
  // `fused_at` is left out; the caller keeps `fused_at` (SIZE_MAX at first) and passes it on.
  void append(std::string_view text, std::vector<int32_t>& out, size_t& fused_at, bool fuse) const;

 private:
  std::vector<int32_t> byte_ids_;  // [256], or empty
  std::optional<int32_t> unknown_;
};

// Spaces become U+2581, the space of SentencePiece vocabularies.
void append_with_marks(std::string& out, std::string_view text);

}  // namespace galago
