// A tokenizer as data, in the words of a GGUF file (formats.md section 7.1). A GGUF reader fills it and
// make_tokenizer() turns it into a Tokenizer; Tokenizer::vocabulary() is the way back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace galago {

enum class TokenType : int32_t { Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Unused = 5, Byte = 6 };

struct SpecialIds {
  std::optional<int32_t> bos, eos, unk, pad, sep, cls, mask;
  std::optional<int32_t> eot, eom;  // end of turn, end of message: both end generation
};

struct Vocabulary {
  std::string model;                // tokenizer.ggml.model: gpt2, llama (SentencePiece), t5 (unigram), bert (WordPiece)
  std::string pre;                  // tokenizer.ggml.pre: the split; empty or "default": found out from the tokens
  std::vector<std::string> tokens;  // the id is the index; normal tokens of gpt2 are in the byte alphabet
  std::vector<float> scores;        // empty or one a token
  std::vector<int32_t> types;       // TokenType; empty or one a token
  std::vector<std::string> merges;  // "left right", the rank is the index
  SpecialIds special;
  std::vector<int32_t> more_ends;  // other ids that end generation; not a GGUF key
  std::optional<bool> add_bos, add_eos, add_sep, add_space_prefix, remove_extra_whitespaces;
  std::vector<uint8_t> precompiled_charsmap;
  std::string huggingface_json;  // tokenizer.huggingface.json: a whole tokenizer.json, preferred when it is there
  std::string extra_json;        // galago.tokenizer: what GGUF has no keys for (tokenizer_extra.h)
};

// An added token is found in the text before anything else happens to it. Fields as in Hugging Face tokenizer.json.
struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool special = false;                 // found only when the caller asks for special tokens
  bool normalized = false;              // found after normalisation
  bool lstrip = false, rstrip = false;  // swallows white space before / after it
  bool single_word = false;             // only where no letter, digit or _ touches it
  bool operator==(const AddedToken&) const = default;
};

}  // namespace galago
