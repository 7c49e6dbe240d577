// Finds added tokens in a text: leftmost first, then longest, without overlap. Used by Tokenizer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "text/byte_trie.h"
#include "text/vocabulary.h"

namespace galago {

struct Fragment {
  std::string_view text;
  std::optional<int32_t> id;  // set: an added token; not set: text between them, never empty
};

struct ByteRange {
  size_t begin = 0, end = 0;
};

// Immutable; any number of threads may use it.
class AddedTokens {
 public:
  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }
  const std::vector<AddedToken>& tokens() const { return tokens_; }

  // Special tokens are found only inside one of the `special` ranges (in order, without overlap); elsewhere they are
  // ordinary text: what a user types cannot act as a control token.
  std::vector<Fragment> split(std::string_view text, std::span<const ByteRange> special) const;
  std::vector<Fragment> split(std::string_view text, bool special) const;
  std::optional<int32_t> find(std::string_view content) const;

 private:
  const AddedToken* longest_at(std::string_view text, size_t at, ByteRange special) const;

  std::vector<AddedToken> tokens_;
  ByteTrie trie_;  // content -> index in tokens_
};

}  // namespace galago
