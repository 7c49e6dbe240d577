// GGUF's names for the split and normalisation of byte-level BPE (`tokenizer.ggml.pre`). Source: ggerganov/llama.cpp,
// src/llama-vocab.cpp. Used by make_tokenizer and Tokenizer::vocabulary.
#pragma once

#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace galago {

struct PreName {
  std::string_view name;
  ByteLevelRule rule;
  bool add_bos = false;  // when the file does not say
};

// Throws Unsupported for a name that is not in the table.
const PreName& pre_rule(std::string_view name, const std::string& subject);

// The name to write. Throws Unsupported if no name stands for this rule.
std::string pre_name(const ByteLevelRule& rule);

// For files that do not say: the strictest rule that keeps the most tokens whole. A token that a split would cut cannot
// have come from a vocabulary trained with it. `tokens` are in the byte alphabet.
const PreName& guess_pre(const std::vector<std::string>& tokens);

}  // namespace galago
