// The byte alphabet of GPT-2: every byte is written as one printable character, so that vocabulary files are plain
// text. Bytes 0x21-0x7E, 0xA1-0xAC and 0xAE-0xFF stand for themselves as code points; the other 68, in increasing
// order, are U+0100, U+0101, ... (a space is U+0120, a newline U+010A). Source: openai/gpt-2, encoder.py.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace galago {

std::string to_byte_alphabet(std::string_view bytes);
std::optional<std::string> from_byte_alphabet(std::string_view text);  // nullopt if a character is not in the alphabet

}  // namespace galago
