#include "text/token_table.h"

#include <algorithm>
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

std::string spaces_from_marks(std::string_view text) {
  std::string bytes;
  for (size_t at = 0, mark; at < text.size(); at = mark + kSpaceMark.size()) {
    mark = std::min(text.find(kSpaceMark, at), text.size());
    bytes += text.substr(at, mark - at);
    if (mark < text.size()) bytes += ' ';
  }
  return bytes;
}

// As the WordPiece decoder of Hugging Face joins words, with its clean-up of one token.
std::string word_with_space(std::string_view text) {
  constexpr std::string_view kClosing[] = {".", ",", "!", "?"};
  if (text.starts_with(kContinuation)) return std::string(text.substr(kContinuation.size()));
  return std::ranges::count(kClosing, text) ? std::string(text) : " " + std::string(text);
}

// nullopt: the text itself.
std::optional<std::string> spelled(const std::string& text, TokenType type, Spelling spelling) {
  bool normal = type == TokenType::Normal;
  if (spelling == Spelling::WordPiece) return word_with_space(text);
  if (spelling == Spelling::ByteAlphabet) return normal ? from_byte_alphabet(text) : std::nullopt;
  if (type == TokenType::Byte) return std::string(1, static_cast<char>(*byte_of_token(text)));
  if (type == TokenType::Control || type == TokenType::Unknown || !(text.find(kSpaceMark) != std::string::npos))
    return std::nullopt;
  return spaces_from_marks(text);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::optional<uint8_t> byte_of_token(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text.back() != '>') return std::nullopt;
  int high = hex_digit(text[3]), low = hex_digit(text[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<uint8_t>(high * 16 + low);
}

std::string byte_token(uint8_t byte) { return fmt::format("<0x{:02X}>", byte); }

TokenTable::TokenTable(std::span<const std::string> tokens, std::span<const int32_t> types, Spelling spelling,
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
    TokenType type = types.empty() ? TokenType::Normal : checked_type(types[id], id, subject);
    // An empty text is no token: it could not be told from nothing. The placeholder is the one of llama.cpp.
    add(tokens[id].empty() ? fmt::format("[EMPTY_{}]", id) : tokens[id], type, spelling, subject);
  }
  slots_.assign(std::bit_ceil(tokens.size() * 2), -1);
  for (bool literal : {false, true}) {
    for (int32_t id = 0; id < size(); ++id) {
      if ((entry(id).begin == entry(id).text_begin) == literal) index(id);
    }
  }
}

void TokenTable::add(std::string text, TokenType type, Spelling spelling, const std::string& subject) {
  if (spelling == Spelling::SentencePiece && type == TokenType::Byte && !byte_of_token(text))
    throw invalid_input("{}: byte token {} is \"{}\", expected a text like <0x0A>", subject, size(), text);
  Entry e{arena_.size(), arena_.size(), static_cast<uint32_t>(text.size()), static_cast<uint32_t>(text.size()), type};
  arena_ += text;
  if (auto bytes = spelled(text, type, spelling)) {
    e.begin = arena_.size(), e.length = static_cast<uint32_t>(bytes->size());
    arena_ += *bytes;
  }
  entries_.push_back(e);
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
