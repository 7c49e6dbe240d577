// Tokenizers from files: Hugging Face folders, tokenizer.json, tokenizer.model, vocab.json with merges.txt, vocab.txt.
// (GGUF: make_tokenizer.) The way back is save_tokenizer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/tokenizer.h"

namespace galago {

struct LoadTokenizerOptions {
  std::string added_path;             // a JSON of more tokens: {"text": id, ...}
  std::string pre;                    // for vocab.json: the split by GGUF's name; empty: found out from the tokens
  std::vector<std::string> appended;  // control tokens that take the next free ids, in this order
};

// `path` is a folder, a tokenizer.json, a NAME.model (SentencePiece), a vocab.txt (WordPiece), or a vocab.json
// (merges.txt beside it: X.vocab.json goes with X.merges.txt). Beside them tokenizer_config.json,
// special_tokens_map.json, added_tokens.json and generation_config.json are read if they are there.
//
// Which file of a folder counts, as AutoTokenizer of Hugging Face has it: tokenizer.json; else tokenizer.model, else
// vocab.json, else vocab.txt. But tokenizer.model comes before tokenizer.json where tokenizer_config.json names a class
// that has no fast form: one of a short list (InternLM2Tokenizer, ...) or one whose auto_map has null in the second
// place. The two files of one model may disagree: MiniCPM's tokenizer.json puts a space before the text, its
// tokenizer.model does not.
//
// tokenizer.model follows its own flags under `legacy` true (also when unsaid); under `legacy` false one space goes
// before the whole text, unless `add_prefix_space` is false. An added token with the id of a piece takes its place: the
// piece's own text is then no token any more (the slow reference keeps both).
//
// Throws NotFound, InvalidInput, or Unsupported for a kind of tokenizer that galago does not have.
Tokenizer load_tokenizer(const std::string& path, const LoadTokenizerOptions& options = {});

// Whether a folder holds a file that load_tokenizer would begin with.
bool has_tokenizer(const std::string& folder);

// Writes into a folder what load_tokenizer gives back as the same ids: tokenizer.json, or tokenizer.model for
// SentencePiece, with a tokenizer_config.json. Other tokenizer files that are there are not touched.
void save_tokenizer(const Tokenizer& tokenizer, const std::string& folder);

// The text of one tokenizer.json; without its neighbours, begin and end tokens are known by their usual names only.
Tokenizer parse_tokenizer_json(std::string_view text, const std::string& subject);

// The steps of the above, for load_tokenizer.cc.
TokenizerParts parts_from_tokenizer_json(const Json& root, const std::string& subject);
void guess_special_ids(TokenizerParts& parts);  // <bos>, <s>, <|endoftext|> ... where nothing else is said

}  // namespace galago
