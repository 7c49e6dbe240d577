// Guesses at how an answer goes on. A session that is given a drafter runs the guessed tokens through its model in one
// piece and keeps those that the model would have said: the same answers (or the same distribution of answers) in fewer
// runs. Speculative decoding: Leviathan et al., arXiv 2211.17192; by prompt lookup: Saxena 2023.
#pragma once

#include <memory>

#include "runtime/sampler.h"
#include "runtime/step_runner.h"

namespace galago {

// Of one conversation, used by its thread.
class Drafter {
 public:
  virtual ~Drafter() = default;
  // At most n tokens that may follow these; -1 stands for a row of a picture.
  virtual std::vector<DraftedToken> draft(std::span<const int32_t> history, int n) = 0;
};

// What followed the last few tokens where they stood before: good where answers repeat the question or themselves.
class LookupDrafter final : public Drafter {
 public:
  std::vector<DraftedToken> draft(std::span<const int32_t> history, int n) override;
};

// A small model of the same vocabulary, with a cache of its own. It sees words, not pictures.
class ModelDrafter final : public Drafter {
 public:
  // Throws InvalidInput if the tokenizers differ. Guesses are drawn with the temperature and filters of `sampling`.
  ModelDrafter(std::shared_ptr<const Checkpoint> draft, std::shared_ptr<Executor> executor, const Checkpoint& target,
               const SamplingOptions& sampling, int n_context);
  std::vector<DraftedToken> draft(std::span<const int32_t> history, int n) override;

 private:
  void run(std::span<const int32_t> ids);  // behind what is in the cache
  void follow(std::span<const int32_t> words);

  std::shared_ptr<const Checkpoint> checkpoint_;
  KvCache cache_;
  StepRunner steps_;
  Sampler sampler_;
  bool certain_;               // temperature 0
  std::vector<int32_t> seen_;  // in the cache
};

}  // namespace galago
