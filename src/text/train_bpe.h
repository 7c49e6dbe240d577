// Trains a byte-level BPE tokenizer: the most frequent pair of neighbours becomes a token, again and again. Sennrich et
// al. 2016 (arXiv:1508.07909) over bytes as in GPT-2. Ids: specials, then the 256 bytes in order, then merges. The same
// text gives the same tokenizer on every machine: of equally frequent pairs the one with the lexicographically smallest
// bytes wins (left first, then right).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/tokenizer.h"

namespace galago {

struct BpeTrainOptions {
  int32_t vocab_size = 8000;  // specials and the 256 bytes included
  std::vector<std::string> specials = {"<pad>", "<bos>", "<eos>", "<unk>"};
  ByteLevelRule rule;
  int64_t min_count = 2;  // rarer pairs are not worth a token; the vocabulary may then stay smaller
};

// Counts words first, so memory follows the number of different words and not the length of the corpus. One thread.
class BpeTrainer {
 public:
  explicit BpeTrainer(BpeTrainOptions options);  // throws InvalidInput if vocab_size leaves no room for the 256 bytes

  void add(std::string_view text);  // in any order and number; a word never spans two texts
  Tokenizer train() const;

 private:
  BpeTrainOptions options_;
  std::unordered_map<std::string, int64_t> counts_;  // word -> how often
};

Tokenizer train_bpe(std::span<const std::string> corpus, BpeTrainOptions options);

}  // namespace galago
