// Tokenizers from files: Hugging Face folders, tokenizer.json, vocab.json with merges.txt. (GGUF: make_tokenizer.)
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "text/tokenizer.h"

namespace galago {

struct LoadTokenizerOptions {
  std::string added_path;  // a JSON of more tokens: {"text": id, ...}
  std::string pre;         // for vocab.json: the split by GGUF's name; empty: found out from the tokens
};

// `path` is a folder, a tokenizer.json or a vocab.json (merges.txt beside it: X.vocab.json goes with X.merges.txt).
// Beside them tokenizer_config.json, special_tokens_map.json, added_tokens.json and generation_config.json are read if
// they are there. Throws NotFound, InvalidInput, or Unsupported for a kind of tokenizer that galago does not have.
Tokenizer load_tokenizer(const std::string& path, const LoadTokenizerOptions& options = {});

// The text of one tokenizer.json; without its neighbours, begin and end tokens are known by their usual names only.
Tokenizer parse_tokenizer_json(std::string_view text, const std::string& subject);

// The steps of the above, for load_tokenizer.cc.
TokenizerParts parts_from_tokenizer_json(const Json& root, const std::string& subject);
void guess_special_ids(TokenizerParts& parts);  // <bos>, <s>, <|endoftext|> ... where nothing else is said

}  // namespace galago
