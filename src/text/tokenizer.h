// Text to token ids and back. One Tokenizer is one vocabulary with its rules, made from a Hugging Face folder or
// tokenizer.json (load_tokenizer), from GGUF metadata (make_tokenizer) or by training (train_bpe). Today: the
// byte-level BPE family (GPT-2, Phi-2, Pythia, Qwen2, SmolLM, Llama 3). encode = added tokens on the raw text -> NFC ->
// added tokens on normalised text -> words -> bytes -> merges.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/split.h"
#include "text/token_table.h"
#include "text/vocabulary.h"

namespace galago {

struct EncodeOptions {
  bool parse_special = false;  // find control tokens in the text; never for what a user typed
  bool add_special = false;    // begin / end tokens where the vocabulary asks for them
};

// What a byte-level vocabulary does besides merging. GGUF has one name for the three (`tokenizer.ggml.pre`).
struct ByteLevelRule {
  WordSplit split = WordSplit::Gpt2;
  bool nfc = false;
  bool ignore_merges = false;  // a word that is a token is that token, whatever the merges say
  bool operator==(const ByteLevelRule&) const = default;
};

struct TokenizerParts {
  Vocabulary vocabulary;  // `pre` is not looked at, `rule` says it
  ByteLevelRule rule;
  std::vector<AddedToken> added;
  std::optional<int32_t> missing_byte;  // the token for bytes that have none; nullopt: they are dropped
};

// Immutable; any number of threads may use it. May be copied and moved.
class Tokenizer {
 public:
  // Throws InvalidInput naming `subject` for a vocabulary that contradicts itself.
  Tokenizer(TokenizerParts parts, const std::string& subject);

  std::vector<int32_t> encode(std::string_view text, EncodeOptions options = {}) const;

  // The bytes of the ids, which need not be valid UTF-8. Throws InvalidInput for an id outside the vocabulary.
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const;

  int32_t vocab_size() const { return table_.size(); }
  std::string_view piece(int32_t id) const;  // bytes; throws InvalidInput for an id outside the vocabulary
  std::optional<int32_t> find(std::string_view piece) const;  // by bytes; added tokens win

  const SpecialIds& special_ids() const { return special_; }
  bool adds_bos() const { return add_bos_; }
  bool adds_eos() const { return add_eos_; }
  bool is_special(int32_t id) const;            // control or unknown; false for an id outside the vocabulary
  bool is_end_of_generation(int32_t id) const;  // eos, end of turn, ...
  const std::vector<int32_t>& end_of_generation() const { return ends_; }  // sorted

  const ByteLevelRule& rule() const { return rule_; }
  const std::vector<AddedToken>& added_tokens() const { return added_; }

  // For writing to GGUF. Throws Unsupported if GGUF has no name for the rule.
  Vocabulary vocabulary() const;
  // A whole tokenizer.json that load_tokenizer and the `tokenizers` library read.
  std::string to_tokenizer_json() const;

 private:
  void encode_words(std::string_view text, std::vector<int32_t>& out) const;
  void encode_word(std::string_view word, std::vector<int32_t>& out) const;

  TokenTable table_;
  MergeTable merges_;
  ByteLevelRule rule_;
  std::vector<AddedToken> added_;
  AddedTokens raw_, normalized_;  // found before and after normalisation
  SpecialIds special_;
  bool add_bos_ = false, add_eos_ = false;
  std::vector<int32_t> ends_;
  std::optional<int32_t> missing_byte_;
  std::vector<int32_t> byte_ids_;  // [256] the token of a byte; -1: none
};

// From GGUF metadata. Throws Unsupported for a kind or a `pre` name that galago does not know.
Tokenizer make_tokenizer(Vocabulary vocabulary, const std::string& subject);

}  // namespace galago
