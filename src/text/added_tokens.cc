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
  for (size_t i = 0; i < tokens_.size(); ++i) trie_.add(tokens_[i].content, static_cast<int32_t>(i));
}

const AddedToken* AddedTokens::longest_at(std::string_view text, size_t at, ByteRange special) const {
  const AddedToken* best = nullptr;
  trie_.each_match(text, at, [&](size_t end, int32_t index) {
    const AddedToken& token = tokens_[static_cast<size_t>(index)];
    bool allowed = !token.special || (at >= special.begin && end <= special.end);
    if (allowed) best = &token;
  });
  return best;
}

std::vector<Fragment> AddedTokens::split(std::string_view text, bool special) const {
  ByteRange all{0, special ? text.size() : 0};
  return split(text, {&all, 1});
}

std::vector<Fragment> AddedTokens::split(std::string_view text, std::span<const ByteRange> special) const {
  std::vector<Fragment> fragments;
  size_t done = 0;  // everything before it is in `fragments`
  for (size_t at = 0; at < text.size();) {
    while (!special.empty() && special.front().end <= at) special = special.subspan(1);
    const AddedToken* token = longest_at(text, at, special.empty() ? ByteRange{} : special.front());
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
  auto index = trie_.find(content);
  return index ? std::optional(tokens_[static_cast<size_t>(*index)].id) : std::nullopt;
}

}  // namespace galago
