// Text from a file, made safe for a terminal and an error message.
#pragma once

#include <string>
#include <string_view>

namespace galago {

// Control characters, quotes, backslashes and bytes from 0x7F become \xNN; longer text ends in "...".
std::string printable(std::string_view text, size_t max_characters = 200);

// Not empty, and nothing but the ASCII characters from ! to ~ and space.
bool is_plain_name(std::string_view text);

}  // namespace galago
