// What SentencePiece does to a text before it looks for pieces: charsmap, spaces, prefix, U+2581. Source:
// google/sentencepiece, normalizer.cc; formats.md section 13.3. Used by the two SentencePiece engines.
#pragma once

#include <string>
#include <string_view>

#include "text/byte_trie.h"
#include "text/charsmap.h"
#include "text/engine.h"

namespace galago {

// Immutable; any number of threads may use it.
class SentencePieceNormalizer {
 public:
  SentencePieceNormalizer(const SentencePieceRule& rule, const EngineParts& parts);

  // Bytes that are no valid UTF-8 stay as they are (the library makes U+FFFD of them), so that they become byte tokens.
  std::string normalize(std::string_view text, bool starts_text) const;

  // The length of the user-defined piece at `at`, the longest; 0: none.
  size_t user_defined_at(std::string_view text, size_t at) const;

 private:
  std::string mapped(std::string_view text) const;

  SpacePrefix prefix_;
  bool remove_extra_;
  Charsmap charsmap_;
  ByteTrie user_defined_;
};

}  // namespace galago
