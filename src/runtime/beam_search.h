// Beam search as transformers' generate() does it (huggingface/transformers, BeamSearchScorer): the bookkeeping,
// without a model. A finished answer scores sum of log-probabilities / length^length_penalty, its end token counted in
// both.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace galago {

enum class EarlyStopping {
  No,     // end when no unfinished answer can beat the n finished ones at its present length
  Yes,    // end as soon as there are n finished answers
  Never,  // as No, but at the length that favours it most
};

struct BeamOptions {
  int n = 1;  // answers that are followed at a time; 1 = no beam search
  float length_penalty = 1;
  EarlyStopping early_stopping = EarlyStopping::No;
  float repeat_penalty = 1;  // divides the log-probabilities of tokens that are in the answer already, see sampler.h
};

struct BeamAnswer {
  std::vector<int32_t> ids;  // without end token
  double sum_logprobs = 0;
  double score = 0;
};

// One search. Not thread-safe.
class BeamSearch {
 public:
  // ends: tokens that finish an answer. Throws InvalidInput for options out of range.
  BeamSearch(const BeamOptions& options, std::span<const int32_t> ends, int max_tokens);

  // Logits of the unfinished answers, one row each [n_live, n_vocab]; at first one row, of the prompt. false: done.
  bool advance(std::span<const float> logits, size_t n_vocab);
  std::span<const BeamAnswer> live() const { return live_; }  // unfinished answers, the best first
  std::span<const int> parents() const { return parents_; }   // of each: its number before the last advance()
  int n_tokens_left() const { return static_cast<int>(max_tokens_ - n_tokens_); }
  BeamAnswer best() const;  // finished or not

 private:
  struct Candidate {
    int parent;
    int32_t id;
    double sum;
  };
  void collect(std::span<const float> logits, size_t n_vocab);
  void score_row(int parent, std::span<const float> logits);
  void keep_best(size_t n);
  void finish(const BeamAnswer& answer, double sum_logprobs, size_t length);
  bool nothing_better(double best_sum) const;
  bool is_end(int32_t id) const;

  BeamOptions options_;
  std::vector<int32_t> ends_;
  size_t max_tokens_, n_tokens_ = 0;
  std::vector<BeamAnswer> live_{BeamAnswer{}}, finished_;
  std::vector<int> parents_;
  std::vector<Candidate> candidates_;
  std::vector<double> row_;
};

}  // namespace galago
