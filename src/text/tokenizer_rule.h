// What the kinds of tokenizers do with a vocabulary: one rule struct a kind, each with an engine in KIND_model.cc.
// A rule is data only: it is compared, written to files and read back.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "text/split.h"

namespace galago {

// Byte-level BPE (GPT-2, Phi-2, Pythia, Qwen2, SmolLM, Llama 3). GGUF has one name for the three fields.
struct ByteLevelRule {
  WordSplit split = WordSplit::Gpt2;
  bool nfc = false;
  bool ignore_merges = false;  // a word that is a token is that token, whatever the merges say
  bool operator==(const ByteLevelRule&) const = default;
};

// Where one space is put before a text, so that its first word looks like any other word.
enum class SpacePrefix : uint8_t {
  Never,
  First,   // before the text, if it does not begin with an added token (`legacy` false of Hugging Face)
  Always,  // before every stretch between added tokens (SentencePiece under `legacy` true; llama.cpp)
};

// A SentencePiece model: BPE by score (google/sentencepiece, bpe_model.cc), or unigram by the best path.
struct SentencePieceRule {
  bool unigram = false;
  SpacePrefix prefix = SpacePrefix::Always;
  bool remove_extra_spaces = false;  // at both ends, and runs become one
  bool byte_fallback = true;         // a character without a piece becomes <0xXX> tokens instead of <unk>
  std::string charsmap;              // the model file's compiled normaliser; empty: text is taken as it is
  bool operator==(const SentencePieceRule&) const = default;
};

// BPE by rank over characters, as tokenizer.json writes SentencePiece models down (Llama 2, MiniCPM, Phi-3).
struct CharBpeRule {
  SpacePrefix prefix = SpacePrefix::Never;
  bool replace_spaces = false;  // spaces are U+2581 in the vocabulary
  bool metaspace = false;       // the prefix comes from Metaspace: none before a text that begins with a space
  bool split_words = false;     // every U+2581 begins a word, and merges never cross words
  bool byte_fallback = false, fuse_unk = false, ignore_merges = false;
  bool strip_first_space = false;  // when decoding
  bool operator==(const CharBpeRule&) const = default;
};

// WordPiece with BERT's normaliser and splitter (google-research/bert, tokenization.py).
struct WordPieceRule {
  bool clean_text = true;     // drops control characters; all white space is a space
  bool split_cjk = true;      // every Chinese character is a word
  bool strip_accents = true;  // NFD without combining marks
  bool lowercase = true;
  uint32_t longest_word = 100;  // in characters; a longer one is <unk>
  bool operator==(const WordPieceRule&) const = default;
};

using TokenizerRule = std::variant<ByteLevelRule, SentencePieceRule, CharBpeRule, WordPieceRule>;

}  // namespace galago
