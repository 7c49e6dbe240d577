#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <vector>

namespace galago {
namespace {

bool is_continuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// Bytes of the sequence that a lead byte announces; 0 for a byte that cannot lead.
uint32_t announced_length(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return 2;
  if (lead >= 0xE0 && lead <= 0xEF) return 3;
  if (lead >= 0xF0 && lead <= 0xF4) return 4;
  return 0;
}

// The second byte is where overlong forms, surrogates and values above U+10FFFF show.
bool allows_second(unsigned char lead, unsigned char second) {
  if (!is_continuation(second)) return false;
  if (lead == 0xE0) return second >= 0xA0;
  if (lead == 0xED) return second <= 0x9F;
  if (lead == 0xF0) return second >= 0x90;
  if (lead == 0xF4) return second <= 0x8F;
  return true;
}

// The White_Space property, which is what \s means in the published split patterns.
bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

CharClass class_from_tables(char32_t c) {
  if (c > 0x10FFFF) return CharClass::Other;
  if (is_white_space(c)) return CharClass::Space;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return CharClass::Letter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return CharClass::Number;
    default:
      return CharClass::Other;
  }
}

using CodePoints = std::vector<utf8proc_int32_t>;

int combining_class(utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; }

void append_decomposed(CodePoints& out, char32_t c) {
  utf8proc_int32_t parts[16];  // canonical decompositions have at most 4 characters
  int boundary = 0;
  auto n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, 16, UTF8PROC_DECOMPOSE, &boundary);
  if (n < 0 || n > 16) {
    out.push_back(static_cast<utf8proc_int32_t>(c));
  } else {
    out.insert(out.end(), parts, parts + n);
  }
}

// Canonical order by a real sort: utf8proc's own exchanges neighbours, which is quadratic in a run of marks.
void order_marks(CodePoints& text) {
  for (size_t i = 0; i < text.size();) {
    if (combining_class(text[i]) == 0) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < text.size() && combining_class(text[end]) != 0) ++end;
    std::stable_sort(text.begin() + static_cast<ptrdiff_t>(i), text.begin() + static_cast<ptrdiff_t>(end),
                     [](auto a, auto b) { return combining_class(a) < combining_class(b); });
    i = end;
  }
}

void append_composed(std::string& out, CodePoints& text) {
  order_marks(text);
  auto length = utf8proc_normalize_utf32(text.data(), static_cast<utf8proc_ssize_t>(text.size()),
                                         static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  for (utf8proc_ssize_t i = 0; i < length; ++i) append_utf8(out, static_cast<char32_t>(text[static_cast<size_t>(i)]));
  text.clear();
}

// Nothing below U+0300 changes or combines in NFC, and UTF-8 lead bytes from 0xCC on are U+0300 and above.
bool is_surely_nfc(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0xCC; });
}

}  // namespace

CodePoint decode_utf8(std::string_view text, size_t at) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  uint32_t length = announced_length(byte(0));
  if (length == 1) return {byte(0), 1};
  if (length == 0 || at + length > text.size() || !allows_second(byte(0), byte(1))) return {};
  char32_t value = byte(0) & (0x7Fu >> length);
  for (uint32_t i = 1; i < length; ++i) {
    if (!is_continuation(byte(i))) return {};
    value = (value << 6) | (byte(i) & 0x3Fu);
  }
  return {value, length};
}

void append_utf8(std::string& out, char32_t c) {
  auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6)), put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12)), put(0x80 | ((c >> 6) & 0x3F)), put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18)), put(0x80 | ((c >> 12) & 0x3F)), put(0x80 | ((c >> 6) & 0x3F)), put(0x80 | (c & 0x3F));
  }
}

bool is_valid_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    CodePoint c = decode_utf8(text, i);
    if (c.value == kInvalidCodePoint) return false;
    i += c.length;
  }
  return true;
}

size_t incomplete_utf8_tail(std::string_view text) {
  for (size_t n = 1; n <= 3 && n <= text.size(); ++n) {
    auto lead = static_cast<unsigned char>(text[text.size() - n]);
    if (is_continuation(lead)) continue;
    bool may_continue = n < announced_length(lead);
    if (may_continue && n > 1)
      may_continue = allows_second(lead, static_cast<unsigned char>(text[text.size() - n + 1]));
    return may_continue ? n : 0;
  }
  return 0;
}

CharClass char_class(char32_t code_point) {
  static const std::array<CharClass, 0x800> small = [] {
    std::array<CharClass, 0x800> table{};
    for (char32_t c = 0; c < table.size(); ++c) table[c] = class_from_tables(c);
    return table;
  }();
  return code_point < small.size() ? small[code_point] : class_from_tables(code_point);
}

bool is_punctuation(char32_t c) {
  if (c > 0x10FFFF) return false;
  auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

bool is_control(char32_t c) {
  if (c > 0x10FFFF) return false;
  auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category >= UTF8PROC_CATEGORY_CC && category <= UTF8PROC_CATEGORY_CO;
}

char32_t to_lower(char32_t c) {
  return c > 0x10FFFF ? c : static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

std::string without_accents(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  CodePoints parts;
  for (size_t i = 0; i < text.size();) {
    CodePoint c = decode_utf8(text, i);
    parts.clear();
    if (c.value != kInvalidCodePoint) append_decomposed(parts, c.value);
    if (c.value == kInvalidCodePoint) out.push_back(text[i]);
    for (utf8proc_int32_t part : parts)
      if (utf8proc_category(part) != UTF8PROC_CATEGORY_MN) append_utf8(out, static_cast<char32_t>(part));
    i += c.length;
  }
  return out;
}

std::string to_nfc(std::string_view text) {
  if (is_surely_nfc(text)) return std::string(text);
  std::string out;
  out.reserve(text.size());
  CodePoints stretch;
  for (size_t i = 0; i < text.size();) {
    CodePoint c = decode_utf8(text, i);
    if (c.value == kInvalidCodePoint) {
      append_composed(out, stretch);
      out.push_back(text[i]);
    } else {
      append_decomposed(stretch, c.value);
    }
    i += c.length;
  }
  append_composed(out, stretch);
  return out;
}

}  // namespace galago
