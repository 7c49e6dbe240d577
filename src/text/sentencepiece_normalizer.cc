#include "text/sentencepiece_normalizer.h"

#include <algorithm>

#include "base/error.h"
#include "text/unicode.h"

namespace galago {
namespace {

// Spaces at both ends are gone, and runs are one.
std::string without_extra_spaces(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

}  // namespace

SentencePieceNormalizer::SentencePieceNormalizer(const SentencePieceRule& rule, const EngineParts& parts)
    : prefix_(rule.prefix), remove_extra_(rule.remove_extra_spaces), charsmap_(rule.charsmap, parts.subject) {
  for (int32_t id = 0; id < parts.table.size(); ++id) {
    if (parts.table.type(id) != TokenType::UserDefined) continue;
    std::string_view text = parts.table.text(id);
    if (text.size() > kMaxTrieKey)
      throw invalid_input("{}: user-defined piece {} is {} bytes long, the limit is {}", parts.subject, id, text.size(),
                          kMaxTrieKey);
    user_defined_.add(text, id);
  }
}

size_t SentencePieceNormalizer::user_defined_at(std::string_view text, size_t at) const {
  size_t longest = 0;
  user_defined_.each_match(text, at, [&](size_t end, int32_t) { longest = end - at; });
  return longest;
}

// User-defined pieces are not normalised.
std::string SentencePieceNormalizer::mapped(std::string_view text) const {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    size_t length = user_defined_at(text, at);
    auto match = length ? std::nullopt : charsmap_.longest_at(text, at);
    if (!length && !match) length = decode_utf8(text, at).length;
    out += match ? match->text : text.substr(at, length);
    at += match ? match->length : length;
  }
  return out;
}

std::string SentencePieceNormalizer::normalize(std::string_view text, bool starts_text) const {
  std::string plain = mapped(text);
  if (remove_extra_) plain = without_extra_spaces(plain);
  std::string out;
  bool wanted = prefix_ == SpacePrefix::Always || (prefix_ == SpacePrefix::First && starts_text);
  if (wanted && !plain.empty()) out += kSpaceMark;
  append_with_marks(out, plain);
  return out;
}

}  // namespace galago
