// Chooses the next token from logits. Order of the steps as llama.cpp's default chain: biases, penalties, top-k, top-p,
// min-p on the unscaled probabilities, then temperature.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/rng.h"

namespace galago {

struct SamplingOptions {
  float temperature = 0;  // 0 = always the most probable token
  int top_k = 0;          // 0 = off
  float top_p = 1;        // keep the most probable tokens until their probabilities add up to this or more
  float min_p = 0;        // drop tokens less probable than this times the most probable one
  // Penalties look at the last `repeat_window` tokens: -1 = all, 0 = none. A logit l of a token that is there n times
  // becomes (l > 0 ? l / repeat : l * repeat) - n * frequency - presence.
  float repeat_penalty = 1;  // CTRL (arXiv 1909.05858)
  float presence_penalty = 0;
  float frequency_penalty = 0;
  int repeat_window = 64;
  // Tokens of the prompt count too, as in llama.cpp; transformers counts only generated ones if the prompt has
  // pictures.
  bool penalize_prompt = false;
  std::vector<std::pair<int32_t, float>> logit_bias = {};  // token, what is added to its logit; -inf: never
  uint64_t seed = 0;
};

// A token and its log-probability before biases, penalties and filters.
struct TokenScore {
  int32_t id;
  float logprob;
};

struct TokenProbability {
  int32_t id;
  double p;
};

// A token that somebody else proposes, and the distribution it was drawn from; empty: it was certain.
struct DraftedToken {
  int32_t id;
  std::vector<TokenProbability> from = {};
};

// One answer's sampler; not thread-safe. Allocates only when it is made.
class Sampler {
 public:
  // prompt: what penalties shall count from the beginning. Throws InvalidInput for options out of range.
  Sampler(const SamplingOptions& options, int n_vocab, std::span<const int32_t> prompt = {});
  int32_t next(std::span<float> logits);  // changes the logits; remembers the token for the penalties
  // The drafted token or another one, so that the result is distributed as that of next() (speculative sampling:
  // Leviathan et al., arXiv 2211.17192). At temperature 0 the most probable token, whatever was drafted.
  int32_t next(std::span<float> logits, const DraftedToken& drafted);
  // What next() draws from, without drawing; until the next call. Changes the logits.
  std::span<const TokenProbability> distribution(std::span<float> logits);
  // By the sampler's own chance; `total` is the sum of all p.
  int32_t pick(std::span<const TokenProbability> tokens, double total = 1);

 private:
  struct Candidate {
    int32_t id;
    float logit;
  };
  void adjust(std::span<float> logits) const;
  int32_t draw(std::span<const float> logits);
  int32_t draw_rest(const DraftedToken& drafted, size_t n_vocab);
  size_t filter(std::span<const float> logits);
  void sort_first(size_t n);
  size_t count_kept();
  double weight(const Candidate& c) const;
  void remember(int32_t id);

  SamplingOptions options_;
  Rng rng_;
  std::vector<Candidate> candidates_;
  size_t n_sorted_ = 0;
  double top_ = 0;  // the largest logit of the candidates
  std::vector<TokenProbability> probabilities_;
  std::vector<int32_t> counts_;  // of each token in the window; empty without penalties
  std::vector<int32_t> used_;    // tokens that were ever counted
  std::vector<int32_t> recent_;  // a ring of the window; empty: everything counts
  size_t recent_at_ = 0;
};

// The n best of logits with their log-probabilities, best first, and that of `chosen`.
TokenScore score_of(std::span<const float> logits, int32_t chosen);
std::vector<TokenScore> best_scores(std::span<const float> logits, int n);

}  // namespace galago
