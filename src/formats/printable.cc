#include "formats/printable.h"

#include <fmt/format.h>

#include <algorithm>

namespace galago {
namespace {

bool is_printable(char c) { return c >= ' ' && c <= '~'; }

}  // namespace

std::string printable(std::string_view text, size_t max_characters) {
  std::string result;
  for (char c : text.substr(0, max_characters)) {
    if (is_printable(c) && c != '\\' && c != '"')
      result += c;
    else
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  if (text.size() > max_characters) result += "...";
  return result;
}

bool is_plain_name(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_printable); }

}  // namespace galago
