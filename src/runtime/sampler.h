// Chooses the next token from logits. Order of the steps as llama.cpp's default chain: penalty, top-k, top-p, min-p on
// the unscaled probabilities, then temperature.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/rng.h"

namespace galago {

struct SamplingOptions {
  float temperature = 0;  // 0 = always the most probable token
  int top_k = 0;          // 0 = off
  float top_p = 1;        // keep the most probable tokens until their probabilities add up to more than this
  float min_p = 0;        // drop tokens less probable than this times the most probable one
  float repeat_penalty = 1;
  int repeat_window = 64;
  uint64_t seed = 0;
};

// One conversation's sampler; not thread-safe. Allocates only when it is made.
class Sampler {
 public:
  Sampler(const SamplingOptions& options, int n_vocab);
  int32_t next(std::span<float> logits);  // changes the logits; remembers the token for the penalty

 private:
  void penalise(std::span<float> logits) const;
  int32_t draw(std::span<const float> logits);
  SamplingOptions options_;
  Rng rng_;
  struct Candidate {
    int32_t id;
    float logit;
  };
  std::vector<Candidate> candidates_;
  std::vector<int32_t> recent_;  // a ring
  size_t recent_at_ = 0;
};

}  // namespace galago
