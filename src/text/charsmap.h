// The compiled normaliser of a SentencePiece model (`precompiled_charsmap`): u32 size of a double-array trie in bytes,
// the trie (u32 units), then NUL-terminated replacements. Source: google/sentencepiece, normalizer.cc, and
// s-yata/darts-clone; formats.md section 13.3.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace galago {

// Immutable; any number of threads may use it.
class Charsmap {
 public:
  Charsmap() = default;
  Charsmap(std::string_view blob, const std::string& subject);  // empty: no rules; throws InvalidInput for a broken one

  struct Match {
    size_t length;          // bytes of the text
    std::string_view text;  // what they become
  };
  // The longest rule that applies at `at`.
  std::optional<Match> longest_at(std::string_view text, size_t at) const;

 private:
  std::vector<uint32_t> units_;
  std::string replacements_;  // ends with NUL
};

}  // namespace galago
