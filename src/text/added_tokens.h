// Finds added tokens in a text: leftmost first, then longest, without overlap. Used by Tokenizer.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/vocabulary.h"

namespace galago {

struct Fragment {
  std::string_view text;
  std::optional<int32_t> id;  // set: an added token; not set: text between them, never empty
};

// Immutable; any number of threads may use it.
class AddedTokens {
 public:
  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }
  const std::vector<AddedToken>& tokens() const { return tokens_; }

  // With `special` false, special tokens are ordinary text: what a user types cannot act as a control token.
  std::vector<Fragment> split(std::string_view text, bool special) const;
  std::optional<int32_t> find(std::string_view content) const;

 private:
  const AddedToken* longest_at(std::string_view text, size_t at, bool special) const;

  std::vector<AddedToken> tokens_;
  std::array<bool, 256> starts_{};               // first bytes of tokens
  std::unordered_map<uint64_t, int32_t> edges_;  // trie: node << 8 | byte -> node; the root is 0
  std::vector<int32_t> ends_ = {-1};             // node -> index in tokens_ of the token that ends there, or -1
};

}  // namespace galago
