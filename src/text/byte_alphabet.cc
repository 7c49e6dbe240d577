#include "text/byte_alphabet.h"

#include <array>

#include "text/unicode.h"

namespace galago {
namespace {

constexpr char32_t kEnd = 0x100 + 68;  // one past the last character of the alphabet

struct Alphabet {
  std::array<char32_t, 256> of_byte{};
  std::array<int, kEnd> to_byte{};
};

constexpr bool is_printable(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr Alphabet kAlphabet = [] {
  Alphabet alphabet;
  alphabet.to_byte.fill(-1);
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    char32_t character = is_printable(byte) ? static_cast<char32_t>(byte) : next++;
    alphabet.of_byte[static_cast<size_t>(byte)] = character;
    alphabet.to_byte[character] = byte;
  }
  return alphabet;
}();

}  // namespace

std::string to_byte_alphabet(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (char byte : bytes) append_utf8(text, kAlphabet.of_byte[static_cast<unsigned char>(byte)]);
  return text;
}

std::optional<std::string> from_byte_alphabet(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    CodePoint c = decode_utf8(text, i);
    if (c.value >= kEnd || kAlphabet.to_byte[c.value] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kAlphabet.to_byte[c.value]));
    i += c.length;
  }
  return bytes;
}

}  // namespace galago
