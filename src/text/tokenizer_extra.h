// What GGUF has no keys for, as one JSON text under the key `galago.tokenizer`, so that a converted file gives the ids
// of the original: {"space_prefix": "never" | "first" | "always", "byte_fallback": bool, "word_piece": {...},
// "added": [as in tokenizer.json]}. Only what a reader of the other keys would get wrong is written.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "text/tokenizer.h"

namespace galago {

// `parts` as a reader of GGUF's own keys has made them. Throws InvalidInput.
void apply_extra(TokenizerParts& parts, const std::string& subject);

// Empty if nothing needs saying. `plain` is what make_tokenizer would make of the same vocabulary without it.
std::string make_extra(const TokenizerRule& rule, const std::vector<AddedToken>& added, const TokenizerParts& plain);

// The list `added_tokens` of tokenizer.json. Ids must be below n_tokens or not far beyond (checked_token_id).
std::vector<AddedToken> added_from_json(const Json& root, const char* key, size_t n_tokens, const std::string& subject);
nlohmann::ordered_json added_to_json(const std::vector<AddedToken>& added);

}  // namespace galago
