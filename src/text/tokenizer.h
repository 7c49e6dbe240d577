// Text to token ids and back. One Tokenizer is one vocabulary with its rules, made from a Hugging Face folder or one of
// its files (load_tokenizer), from GGUF metadata (make_tokenizer) or by training (train_bpe). Kinds: byte-level BPE,
// SentencePiece BPE and unigram, BPE over characters, WordPiece; each is a rule (tokenizer_rule.h) and an engine
// (engine.h). encode = added tokens on the raw text -> normalised -> added tokens on normalised text -> engine.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/engine.h"
#include "text/token_table.h"
#include "text/tokenizer_rule.h"
#include "text/vocabulary.h"

namespace galago {

struct EncodeOptions {
  bool parse_special = false;  // find control tokens in the text; never for what a user typed
  bool add_special = false;    // begin / end tokens where the vocabulary asks for them
};

// A stretch of a prompt. Only where is_special is true are control tokens found.
struct TextPiece {
  std::string text;
  bool is_special = false;
  bool operator==(const TextPiece&) const = default;
};

struct TokenizerParts {
  Vocabulary vocabulary;  // `pre` and the like are not looked at, `rule` says it
  TokenizerRule rule;
  std::vector<AddedToken> added;
  std::optional<int32_t> unknown;  // the token for what has none; nullopt: it is dropped
};

// Takes the space away that a tokenizer with a space prefix has before the first word. One a stream.
class FirstSpace {
 public:
  explicit FirstSpace(bool strips) : pending_(strips) {}
  std::string_view strip(std::string_view bytes) {
    if (pending_ && bytes.starts_with(' ')) bytes.remove_prefix(1), pending_ = false;
    pending_ = pending_ && bytes.empty();
    return bytes;
  }

 private:
  bool pending_;
};

// Immutable; any number of threads may use it. Copies share the vocabulary.
class Tokenizer {
 public:
  // Throws InvalidInput naming `subject` for a vocabulary that contradicts itself.
  Tokenizer(TokenizerParts parts, const std::string& subject);

  std::vector<int32_t> encode(std::string_view text, EncodeOptions options = {}) const;

  // A prompt put together from a template's text and a user's: one text, in which control tokens are found only inside
  // special pieces. With `starts_text` false it continues an earlier one: no begin token, no SpacePrefix::First.
  std::vector<int32_t> encode(std::span<const TextPiece> pieces, bool add_special = false,
                              bool starts_text = true) const;

  // The bytes of the ids, which need not be valid UTF-8. Throws InvalidInput for an id outside the vocabulary.
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const;

  int32_t vocab_size() const { return table_->size(); }
  std::string_view piece(int32_t id) const;  // bytes; throws InvalidInput for an id outside the vocabulary
  std::string_view token_text(int32_t id) const { return table_->text(id); }  // as vocabulary files have it; id inside
  std::optional<int32_t> find(std::string_view piece) const;                  // by bytes; added tokens win

  const SpecialIds& special_ids() const { return special_; }
  bool adds_bos() const { return add_bos_; }
  bool adds_eos() const { return add_eos_; }
  bool is_special(int32_t id) const;            // control or unknown; false for an id outside the vocabulary
  bool is_end_of_generation(int32_t id) const;  // eos, end of turn, ...
  const std::vector<int32_t>& end_of_generation() const { return ends_; }  // sorted

  const TokenizerRule& rule() const { return rule_; }
  const std::vector<AddedToken>& added_tokens() const { return added_; }
  bool strips_first_space() const;  // decode() takes one space off the front

  // For writing to GGUF. Throws Unsupported if GGUF has no name for the rule. (tokenizer_vocabulary.cc)
  Vocabulary vocabulary() const;
  // A whole tokenizer.json that load_tokenizer and the `tokenizers` library read. Throws Unsupported for SentencePiece
  // models, whose file is tokenizer.model: save_tokenizer writes what is right. (tokenizer_json_write.cc)
  std::string to_tokenizer_json() const;

 private:
  std::vector<int32_t> encode_ranges(std::string_view text, std::span<const ByteRange> special, bool starts_text) const;

  std::shared_ptr<const TokenTable> table_;
  EnginePointer engine_;
  TokenizerRule rule_;
  std::vector<float> scores_;  // SentencePiece only
  std::vector<AddedToken> added_;
  AddedTokens raw_, normalized_;  // found before and after normalisation
  SpecialIds special_;
  bool add_bos_ = false, add_eos_ = false, add_sep_ = false;
  std::vector<int32_t> ends_;
  std::optional<int32_t> unknown_;
};

// From GGUF metadata. Throws Unsupported for a kind or a `pre` name that galago does not know.
Tokenizer make_tokenizer(Vocabulary vocabulary, const std::string& subject);

}  // namespace galago
