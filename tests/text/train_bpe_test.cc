#include "text/train_bpe.h"

#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "base/rng.h"
#include "tests/text/random_text.h"
#include "text/byte_alphabet.h"
#include "text/load_tokenizer.h"
#include "text/make_tokenizer.h"

namespace galago {
namespace {

using testing::random_text;

std::vector<std::string> small_corpus() {
  std::vector<std::string> corpus;
  Rng rng(3);
  for (int i = 0; i < 300; ++i) corpus.push_back("the cat's mat, a hat and 12 bats: " + random_text(rng, 20));
  return corpus;
}

// The definition: count all pairs anew after every merge.
std::vector<std::string> merges_slowly(std::span<const std::string> corpus, size_t n_merges) {
  std::map<std::vector<std::string>, int64_t> words;
  for (const std::string& text : corpus) {
    for (size_t begin = 0, end; begin < text.size(); begin = end) {
      end = word_end(WordSplit::Gpt2, text, begin);
      std::vector<std::string> symbols;
      for (size_t i = begin; i < end; ++i) symbols.push_back(text.substr(i, 1));
      ++words[symbols];
    }
  }
  std::vector<std::string> merges;
  while (merges.size() < n_merges) {
    std::map<std::pair<std::string, std::string>, int64_t> pairs;
    for (auto& [w, count] : words) {
      for (size_t i = 0; i + 1 < w.size(); ++i) pairs[{w[i], w[i + 1]}] += count;
    }
    auto best = pairs.begin();  // the map is in lexicographic order, so the first maximum is the smallest
    for (auto it = pairs.begin(); it != pairs.end(); ++it) best = it->second > best->second ? it : best;
    merges.push_back(to_byte_alphabet(best->first.first) + " " + to_byte_alphabet(best->first.second));
    std::map<std::vector<std::string>, int64_t> merged;
    for (auto& [w, count] : words) {
      std::vector<std::string> out;
      for (size_t i = 0; i < w.size(); ++i) {
        bool here = i + 1 < w.size() && w[i] == best->first.first && w[i + 1] == best->first.second;
        out.push_back(here ? w[i] + w[i + 1] : w[i]);
        i += here;
      }
      merged[out] += count;
    }
    words = std::move(merged);
  }
  return merges;
}

TEST(TrainBpe, FindsTheMergesOfTheDefinition) {
  Rng rng(4);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::string> corpus;
    for (int line = 0; line < 40; ++line) {
      std::string text;  // few letters: many ties, and the same text by different merges
      for (int64_t n = rng.below(40); n > 0; --n) text += "aaabbc d"[rng.below(8)];
      corpus.push_back(text);
    }
    auto found = train_bpe(corpus, {.vocab_size = 260 + 60}).vocabulary().merges;
    ASSERT_GE(found.size(), 40u);
    EXPECT_EQ(found, merges_slowly(corpus, found.size()));
  }
}

TEST(TrainBpe, SpecialsAndBytesComeFirst) {
  BpeTrainOptions options;
  options.vocab_size = 300;
  Tokenizer tokenizer = train_bpe(small_corpus(), options);
  EXPECT_EQ(tokenizer.vocab_size(), 300);
  EXPECT_EQ(tokenizer.find("<pad>"), 0);
  EXPECT_EQ(tokenizer.find("<bos>"), 1);
  EXPECT_EQ(tokenizer.find("<eos>"), 2);
  EXPECT_EQ(tokenizer.find("<unk>"), 3);
  EXPECT_EQ(tokenizer.special_ids().pad, 0);
  EXPECT_EQ(tokenizer.special_ids().bos, 1);
  EXPECT_EQ(tokenizer.special_ids().eos, 2);
  EXPECT_TRUE(tokenizer.is_end_of_generation(2));
  for (int byte = 0; byte < 256; ++byte) EXPECT_EQ(tokenizer.piece(4 + byte), std::string(1, static_cast<char>(byte)));
  EXPECT_EQ(tokenizer.encode("", {.add_special = true}), std::vector<int32_t>{1});
  EXPECT_EQ(tokenizer.encode("<eos>", {.parse_special = true}), std::vector<int32_t>{2});
}

TEST(TrainBpe, TheSameTextGivesTheSameTokenizer) {
  auto corpus = small_corpus();
  BpeTrainOptions options;
  options.vocab_size = 600;
  std::string first = train_bpe(corpus, options).to_tokenizer_json();
  std::reverse(corpus.begin(), corpus.end());
  EXPECT_EQ(train_bpe(corpus, options).to_tokenizer_json(), first) << "the order of the texts does not matter";
}

TEST(TrainBpe, ATrainedTokenizerSurvivesBothFiles) {
  auto corpus = small_corpus();
  for (ByteLevelRule rule :
       {ByteLevelRule{}, ByteLevelRule{WordSplit::DigitsGpt2}, ByteLevelRule{WordSplit::Qwen2, true},
        ByteLevelRule{WordSplit::Llama3}, ByteLevelRule{WordSplit::Llama3, false, true}}) {
    BpeTrainOptions options;
    options.vocab_size = 500;
    options.rule = rule;
    Tokenizer tokenizer = train_bpe(corpus, options);
    Tokenizer by_json = parse_tokenizer_json(tokenizer.to_tokenizer_json(), "json");
    Tokenizer by_vocabulary = make_tokenizer(tokenizer.vocabulary(), "vocabulary");
    EXPECT_EQ(by_json.rule(), TokenizerRule(rule));
    EXPECT_EQ(by_vocabulary.rule(), TokenizerRule(rule));
    EXPECT_EQ(by_json.to_tokenizer_json(), tokenizer.to_tokenizer_json());
    EXPECT_EQ(by_vocabulary.to_tokenizer_json(), tokenizer.to_tokenizer_json());
    for (const std::string& text : corpus) {
      auto ids = tokenizer.encode(text, {.add_special = true});
      EXPECT_EQ(by_json.encode(text, {.add_special = true}), ids);
      EXPECT_EQ(by_vocabulary.encode(text, {.add_special = true}), ids);
    }
  }
}

TEST(TrainBpe, StopsWhenNothingRepeats) {
  BpeTrainOptions options;
  options.vocab_size = 1000;
  std::vector<std::string> corpus = {"abc"};
  EXPECT_EQ(train_bpe(corpus, options).vocab_size(), 260);
  EXPECT_EQ(train_bpe({}, options).vocab_size(), 260);
}

TEST(TrainBpe, RefusesAVocabularyWithoutRoomForTheBytes) {
  BpeTrainOptions options;
  options.vocab_size = 259;
  EXPECT_THROW(BpeTrainer{options}, Error);
}

TEST(TrainBpe, ALineOfOneLetterIsNotSlow) {
  BpeTrainOptions options;
  options.vocab_size = 300;
  std::vector<std::string> corpus = {std::string(2'000'000, 'a')};
  Tokenizer tokenizer = train_bpe(corpus, options);
  EXPECT_GT(tokenizer.vocab_size(), 264);
}

}  // namespace
}  // namespace galago
