#include "text/added_tokens.h"

#include "text/unicode.h"

namespace galago {
namespace {

bool is_space(char32_t c) { return char_class(c) == CharClass::Space; }

bool is_word(char32_t c) {
  CharClass kind = char_class(c);
  return kind == CharClass::Letter || kind == CharClass::Number || c == U'_';
}

// The character that ends at `end` (> 0).
CodePoint last_character(std::string_view text, size_t end) {
  for (size_t n = 1; n <= 4 && n <= end; ++n) {
    CodePoint c = decode_utf8(text.substr(0, end), end - n);
    if (c.value != kInvalidCodePoint && c.length == n) return c;
  }
  return {};
}

size_t skip_spaces_back(std::string_view text, size_t at, size_t stop) {
  while (at > stop) {
    CodePoint c = last_character(text, at);
    if (!is_space(c.value)) break;
    at -= c.length;
  }
  return at < stop ? stop : at;
}

size_t skip_spaces(std::string_view text, size_t at) {
  while (at < text.size()) {
    CodePoint c = decode_utf8(text, at);
    if (!is_space(c.value)) break;
    at += c.length;
  }
  return at;
}

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  bool left = begin > 0 && is_word(last_character(text, begin).value);
  bool right = end < text.size() && is_word(decode_utf8(text, end).value);
  return !left && !right;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& content = tokens_[i].content;
    if (content.empty()) continue;
    starts_[static_cast<unsigned char>(content[0])] = true;
    int32_t node = 0;
    for (char byte : content) {
      uint64_t key = static_cast<uint64_t>(node) << 8 | static_cast<unsigned char>(byte);
      auto [edge, is_new] = edges_.emplace(key, static_cast<int32_t>(ends_.size()));
      if (is_new) ends_.push_back(-1);
      node = edge->second;
    }
    ends_[static_cast<size_t>(node)] = static_cast<int32_t>(i);
  }
}

const AddedToken* AddedTokens::longest_at(std::string_view text, size_t at, bool special) const {
  const AddedToken* best = nullptr;
  int32_t node = 0;
  for (; at < text.size(); ++at) {
    auto edge = edges_.find(static_cast<uint64_t>(node) << 8 | static_cast<unsigned char>(text[at]));
    if (edge == edges_.end()) break;
    node = edge->second;
    int32_t index = ends_[static_cast<size_t>(node)];
    if (index >= 0 && (special || !tokens_[static_cast<size_t>(index)].special))
      best = &tokens_[static_cast<size_t>(index)];
  }
  return best;
}

std::vector<Fragment> AddedTokens::split(std::string_view text, bool special) const {
  std::vector<Fragment> fragments;
  size_t done = 0;  // everything before it is in `fragments`
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = nullptr;
    if (starts_[static_cast<unsigned char>(text[at])]) token = longest_at(text, at, special);
    if (!token) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->content.size();
    at = end;
    if (token->single_word && !stands_alone(text, begin, end)) continue;
    if (token->lstrip) begin = skip_spaces_back(text, begin, done);
    if (token->rstrip) end = skip_spaces(text, end);
    if (begin > done) fragments.push_back({text.substr(done, begin - done), std::nullopt});
    fragments.push_back({text.substr(begin, end - begin), token->id});
    at = done = end;
  }
  if (done < text.size()) fragments.push_back({text.substr(done), std::nullopt});
  return fragments;
}

std::optional<int32_t> AddedTokens::find(std::string_view content) const {
  int32_t node = 0;
  for (char byte : content) {
    auto edge = edges_.find(static_cast<uint64_t>(node) << 8 | static_cast<unsigned char>(byte));
    if (edge == edges_.end()) return std::nullopt;
    node = edge->second;
  }
  int32_t index = ends_[static_cast<size_t>(node)];
  return index < 0 ? std::nullopt : std::optional(tokens_[static_cast<size_t>(index)].id);
}

}  // namespace galago
