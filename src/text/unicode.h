// The little Unicode that tokenizers need: strict UTF-8 decoding, character classes as regular expressions name them
// (\p{L}, \p{N}, \s), and NFC. Classes and compositions come from utf8proc. Text is never trusted to be valid UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace galago {

constexpr char32_t kInvalidCodePoint = 0xFFFFFFFF;
constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

struct CodePoint {
  char32_t value = kInvalidCodePoint;
  uint32_t length = 1;  // bytes; an invalid byte is a "character" of its own
};

// The character that starts at `at`, which must be inside the text. Overlong forms, surrogates, values above U+10FFFF
// and cut sequences are invalid.
CodePoint decode_utf8(std::string_view text, size_t at);
void append_utf8(std::string& out, char32_t code_point);
bool is_valid_utf8(std::string_view text);

// How many bytes at the end of `text` are the beginning of a character that may still be completed (0 to 3).
size_t incomplete_utf8_tail(std::string_view text);

enum class CharClass : uint8_t { Other, Letter, Number, Space, End };
CharClass char_class(char32_t code_point);  // an invalid code point is Other

bool is_punctuation(char32_t code_point);  // general category P
bool is_control(char32_t code_point);      // general categories Cc, Cf, Co, Cs
char32_t to_lower(char32_t code_point);    // simple case mapping

// Canonical decomposition without its non-spacing marks (general category Mn): "é" is "e". Valid UTF-8 only; invalid
// bytes stay where they are.
std::string without_accents(std::string_view text);

// Unicode canonical composition of the valid stretches; invalid bytes stay where they are. Time is O(n log n) also for
// text made of combining marks only.
std::string to_nfc(std::string_view text);

}  // namespace galago
