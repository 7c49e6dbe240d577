// Pre-tokenizers of the byte-level BPE family: they cut text into words, and merges never cross a word. Published as
// regular expressions (OpenAI GPT-2, Qwen2, Llama 3; in Hugging Face tokenizer.json and llama.cpp's llama-vocab.cpp);
// written here by hand, in linear time. Used by Tokenizer and train_bpe.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace galago {

enum class WordSplit : uint8_t {
  DigitsGpt2,  // every numeric character alone, then Gpt2 on the pieces between (StarCoder, SmolLM)
  Gpt2,
  Qwen2,   // Llama3 with every numeric character alone
  Llama3,  // digits in groups of up to three
};

// End of the word that begins at `at` (at < text.size()); always greater than `at`.
size_t word_end(WordSplit split, std::string_view text, size_t at);

// The pattern as Hugging Face files write it, and back; nullopt for a pattern that is not one of these.
std::string_view split_pattern(WordSplit split);  // DigitsGpt2 gives \p{N}, its first stage
std::optional<WordSplit> split_from_pattern(std::string_view pattern);

}  // namespace galago
