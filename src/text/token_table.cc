#include "text/token_table.h"

#include <bit>
#include <functional>

#include "base/error.h"
#include "text/byte_alphabet.h"

namespace galago {
namespace {

TokenType checked_type(int32_t value, size_t id, const std::string& subject) {
  if (value >= 1 && value <= 6) return static_cast<TokenType>(value);
  throw invalid_input("{}: token {} has type {}, expected 1 to 6", subject, id, value);
}

}  // namespace

TokenTable::TokenTable(std::span<const std::string> tokens, std::span<const int32_t> types,
                       const std::string& subject) {
  if (tokens.empty() || tokens.size() > kMaxTokens) {
    throw invalid_input("{}: a vocabulary of {} tokens, expected 1 to {}", subject, tokens.size(), kMaxTokens);
  }
  if (!types.empty() && types.size() != tokens.size()) {
    throw invalid_input("{}: {} token types for {} tokens, expected as many", subject, types.size(), tokens.size());
  }
  entries_.reserve(tokens.size());
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].size() >= UINT32_MAX) throw invalid_input("{}: token {} is too long", subject, id);
    add(tokens[id], types.empty() ? TokenType::Normal : checked_type(types[id], id, subject));
  }
  slots_.assign(std::bit_ceil(tokens.size() * 2), -1);
  for (bool literal : {false, true}) {
    for (int32_t id = 0; id < size(); ++id) {
      if (entries_[static_cast<size_t>(id)].literal == literal) index(id);
    }
  }
}

void TokenTable::add(const std::string& token, TokenType type) {
  // An empty text is no token: it could not be told from nothing. The placeholder is the one of llama.cpp.
  std::string text = token.empty() ? fmt::format("[EMPTY_{}]", entries_.size()) : token;
  std::optional<std::string> bytes;
  if (type == TokenType::Normal) bytes = from_byte_alphabet(text);
  const std::string& stored = bytes ? *bytes : text;
  entries_.push_back({arena_.size(), static_cast<uint32_t>(stored.size()), type, !bytes.has_value()});
  arena_ += stored;
}

std::string_view TokenTable::bytes(int32_t id) const {
  const Entry& e = entries_[static_cast<size_t>(id)];
  return std::string_view(arena_).substr(e.begin, e.length);
}

std::string TokenTable::text(int32_t id) const {
  return entries_[static_cast<size_t>(id)].literal ? std::string(bytes(id)) : to_byte_alphabet(bytes(id));
}

size_t TokenTable::slot_of(std::string_view wanted) const {
  size_t mask = slots_.size() - 1;
  size_t slot = std::hash<std::string_view>()(wanted) & mask;
  while (slots_[slot] >= 0 && bytes(slots_[slot]) != wanted) slot = (slot + 1) & mask;
  return slot;
}

void TokenTable::index(int32_t id) {
  int32_t& slot = slots_[slot_of(bytes(id))];
  if (slot < 0) slot = id;
}

std::optional<int32_t> TokenTable::find(std::string_view wanted) const {
  int32_t id = slots_[slot_of(wanted)];
  return id < 0 ? std::nullopt : std::optional(id);
}

}  // namespace galago
