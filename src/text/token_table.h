// The tokens of one vocabulary: bytes and type of each id, and the id of given bytes. Used by Tokenizer.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace galago {

// Immutable after construction; any number of threads may use it.
class TokenTable {
 public:
  // `tokens` as in a byte-level vocabulary. Normal tokens whose characters are all in the byte alphabet become bytes;
  // all others are literal text. Throws InvalidInput naming `subject` for more tokens or types than there can be.
  TokenTable(std::span<const std::string> tokens, std::span<const int32_t> types, const std::string& subject);

  int32_t size() const { return static_cast<int32_t>(entries_.size()); }
  std::string_view bytes(int32_t id) const;
  TokenType type(int32_t id) const { return entries_[static_cast<size_t>(id)].type; }
  std::string text(int32_t id) const;  // as it was given

  // The token that stands for these bytes; normal tokens win over literal ones.
  std::optional<int32_t> find(std::string_view bytes) const;

 private:
  struct Entry {
    uint64_t begin;
    uint32_t length;
    TokenType type;
    bool literal;
  };
  void add(const std::string& token, TokenType type);
  void index(int32_t id);
  size_t slot_of(std::string_view bytes) const;

  std::vector<Entry> entries_;
  std::string arena_;
  std::vector<int32_t> slots_;  // open addressing: bytes -> id; ids rather than views, so that the table may be moved
};

constexpr size_t kMaxTokens = 4'194'304;

}  // namespace galago
