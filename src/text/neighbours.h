// The small JSON files beside a tokenizer: tokenizer_config.json, special_tokens_map.json, added_tokens.json and
// generation_config.json, applied to the parts of a tokenizer. formats.md section 14. Used by load_tokenizer.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "base/json.h"
#include "text/tokenizer.h"

namespace galago {

// nullopt if there is no such file; throws InvalidInput if it is no object.
std::optional<Json> read_object_if_there(const std::filesystem::path& path);
std::optional<bool> json_flag(const Json& config, const char* key);

// Names of begin, end, unknown and padding token; the ids that end generation.
void apply_token_names(Vocabulary& vocabulary, const std::filesystem::path& folder);

// More tokens: added_tokens.json, added_tokens_decoder of tokenizer_config.json, and the list at `extra_path` ("" :
// none). They go into the vocabulary and the list of added tokens; each comes after and over the ones before.
void apply_added_tokens(TokenizerParts& parts, const std::filesystem::path& folder, const std::string& extra_path);

// Control tokens behind all others.
void append_tokens(TokenizerParts& parts, std::span<const std::string> texts);

}  // namespace galago
