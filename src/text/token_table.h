// The tokens of one vocabulary: text, type and bytes of each id, and the id of given bytes. Used by Tokenizer and the
// engines.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/vocabulary.h"

namespace galago {

// How the text of a token stands for bytes. Control and user-defined tokens are always literal.
enum class Spelling : uint8_t {
  ByteAlphabet,   // normal tokens whose characters are all in GPT-2's byte alphabet are those bytes
  SentencePiece,  // U+2581 is a space; byte tokens are <0xXX>
  WordPiece,      // "##ing" continues a word; any other token begins with a space, unless it is one of . , ! ?
};

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581
constexpr std::string_view kContinuation = "##";

// The byte of "<0xXX>" (two hex digits); nullopt for any other text.
std::optional<uint8_t> byte_of_token(std::string_view text);
std::string byte_token(uint8_t byte);  // "<0x0A>"

// Immutable after construction; any number of threads may use it.
class TokenTable {
 public:
  // Throws InvalidInput naming `subject` for more tokens or types than there can be, or a byte token that is none.
  TokenTable(std::span<const std::string> tokens, std::span<const int32_t> types, Spelling spelling,
             const std::string& subject);
  TokenTable(const TokenTable&) = delete;  // engines keep views into it
  TokenTable& operator=(const TokenTable&) = delete;

  int32_t size() const { return static_cast<int32_t>(entries_.size()); }
  TokenType type(int32_t id) const { return entry(id).type; }
  std::string_view text(int32_t id) const { return view(entry(id).text_begin, entry(id).text_length); }
  std::string_view bytes(int32_t id) const { return view(entry(id).begin, entry(id).length); }

  // The token that stands for these bytes; tokens whose text is not literal win over literal ones.
  std::optional<int32_t> find(std::string_view bytes) const;

 private:
  struct Entry {
    uint64_t text_begin, begin;
    uint32_t text_length, length;
    TokenType type;
  };
  const Entry& entry(int32_t id) const { return entries_[static_cast<size_t>(id)]; }
  std::string_view view(uint64_t begin, uint32_t length) const {
    return std::string_view(arena_).substr(begin, length);
  }
  void add(std::string text, TokenType type, Spelling spelling, const std::string& subject);
  void index(int32_t id);
  size_t slot_of(std::string_view bytes) const;

  std::vector<Entry> entries_;
  std::string arena_;
  std::vector<int32_t> slots_;  // open addressing: bytes -> id
};

// Ids by the text of tokens, for the engines that work on texts. The table must outlive it.
class TextIndex {
 public:
  TextIndex() = default;
  // Takes the tokens for which keep(id) is true; the first of equal texts counts.
  template <class Keep>
  TextIndex(const TokenTable& table, Keep keep) {
    for (int32_t id = 0; id < table.size(); ++id) {
      if (keep(id)) add(table.text(id), id);
    }
  }

  std::optional<int32_t> find(std::string_view text) const {
    auto found = text.size() > longest_ ? ids_.end() : ids_.find(text);
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
  }
  size_t longest() const { return longest_; }  // bytes

 private:
  void add(std::string_view text, int32_t id) {
    ids_.emplace(text, id);
    longest_ = text.size() > longest_ ? text.size() : longest_;
  }
  std::unordered_map<std::string_view, int32_t> ids_;
  size_t longest_ = 0;
};

constexpr size_t kMaxTokens = 4'194'304;

}  // namespace galago
