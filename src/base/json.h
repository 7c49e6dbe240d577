// JSON from files that are not trusted: size and depth are limited, errors name the file.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace galago {

using Json = nlohmann::json;

// Parses UTF-8 text (a BOM is skipped). Throws InvalidInput naming `subject` on a syntax error, on more than 64 nested
// levels, and, with `unique_keys`, on a repeated key (otherwise the last one wins).
Json parse_json(std::string_view text, const std::string& subject, bool unique_keys = false);
Json read_json(const std::string& path, uint64_t max_bytes = 256u << 20);

}  // namespace galago
