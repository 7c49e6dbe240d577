// From a Vocabulary (GGUF metadata, vocab.json) to a Tokenizer. One function a value of `tokenizer.ggml.model`.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "text/tokenizer.h"

namespace galago {

// Throws Unsupported for a kind or a `pre` name that galago does not know, InvalidInput for a vocabulary that
// contradicts itself. A missing `pre` (or "default") is found out from the tokens. Missing special ids stay missing:
// GPT-2's old defaults of llama.cpp (11) are a comma.
Tokenizer make_tokenizer(Vocabulary vocabulary, const std::string& subject);

// Adds {"text": id, ...} to a vocabulary, of the given type; by default white space is user-defined, so always found,
// and anything else is control, so found only with parse_special.
void add_tokens(Vocabulary& vocabulary, const Json& added, const std::string& subject,
                std::optional<TokenType> type = std::nullopt);

// The added tokens that the types of a vocabulary tell of; those in `known` keep their flags.
std::vector<AddedToken> added_from_types(const Vocabulary& vocabulary, std::vector<AddedToken> known = {});

// Of those, only control and unknown tokens: what SentencePiece itself never finds in a text.
std::vector<AddedToken> added_specials(const Vocabulary& vocabulary);

// The steps of make_tokenizer before the engine is made; `extra_json` is not applied yet.
TokenizerParts parts_from_vocabulary(Vocabulary vocabulary, const std::string& subject);

// Whether a token of a bare list of added tokens is a control token by its shape: <|x|>, <s>, [MASK] and the like are,
// <image> and runs of spaces are not.
bool looks_like_control(std::string_view text);

// Helpers of the readers. Sets a token, growing the vocabulary; its type is 0 where there is a hole.
void set_token(Vocabulary& vocabulary, const std::string& text, int32_t id, TokenType type);
void fill_holes(Vocabulary& vocabulary);  // with unused [PADi] tokens
// An integer from 0 to kMaxTokens - 1 that leaves no absurd hole in a vocabulary of `n_tokens`; throws InvalidInput.
int32_t checked_token_id(const Json& value, size_t n_tokens, const std::string& subject);

}  // namespace galago
