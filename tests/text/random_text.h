// Random texts for tokenizers: letters, digits, spaces, marks, CJK, emoji; and random bytes.
#pragma once

#include <string>

#include "base/rng.h"
#include "text/unicode.h"

namespace galago::testing {

inline std::string random_text(Rng& rng, int64_t max_characters) {
  struct Range {
    char32_t first, last;
  };
  constexpr Range kRanges[] = {{'a', 'z'},         {'A', 'Z'},         {'0', '9'},          {' ', '/'},
                               {' ', ' '},         {'\t', '\r'},       {0xA0, 0x24F},       {0x300, 0x36F},
                               {0x400, 0x4FF},     {0x600, 0x6FF},     {0x1100, 0x11FF},    {0x2000, 0x206F},
                               {0x3040, 0x30FF},   {0x4E00, 0x9FFF},   {0xAC00, 0xD7A3},    {0xFF00, 0xFFEF},
                               {0x1F600, 0x1F64F}, {0x20000, 0x2A6DF}, {0x10FF00, 0x10FFFF}};
  std::string text;
  for (int64_t n = rng.below(max_characters + 1); n > 0; --n) {
    const Range& r = kRanges[rng.below(std::size(kRanges))];
    append_utf8(text, r.first + static_cast<char32_t>(rng.below(r.last - r.first + 1)));
  }
  return text;
}

inline std::string random_bytes(Rng& rng, int64_t max_bytes) {
  std::string bytes;
  for (int64_t n = rng.below(max_bytes + 1); n > 0; --n) bytes.push_back(static_cast<char>(rng.below(256)));
  return bytes;
}

}  // namespace galago::testing
