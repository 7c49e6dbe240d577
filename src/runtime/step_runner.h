// Runs pieces of a sequence through the cache: tokens and rows of pictures in, logits of the last place or of all out.
// Programs are kept for the next piece of the same size.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "graph/executor.h"
#include "runtime/checkpoint.h"
#include "runtime/graphs.h"
#include "runtime/kv_cache.h"

namespace galago {

// What a program of one piece is made for: tokens, rows of pictures among them, and the logits it ends in.
struct StepShape {
  int n_tokens, n_rows;
  StepLogits logits;
  bool operator==(const StepShape&) const = default;
};

// For a piece with n_rows rows of pictures: a program takes a multiple of some rows, so that pieces of one length share
// few programs.
StepShape step_shape(int n_tokens, int n_rows, StepLogits logits);

// One thread. The cache must outlive it.
class StepRunner {
 public:
  static constexpr int kShort = 17;  // pieces up to this length are those of answers: a token, and drafted ones
  static constexpr std::ptrdiff_t kKeptShort = 20, kKeptLong = 3;  // programs

  StepRunner(std::shared_ptr<const Checkpoint> checkpoint, std::shared_ptr<Executor> executor, const KvCache& cache)
      : checkpoint_(std::move(checkpoint)), executor_(std::move(executor)), cache_(cache) {}

  // ids [T]; rows [T]: null, or d values that stand in place of the token. Row `past` of the cache is the first to be
  // written.
  void run(std::span<const int32_t> ids, std::span<const float* const> rows, int past, StepLogits logits);
  // One token of every sequence of the cache: ids [batch].
  void run_batch(std::span<const int32_t> ids, int past);
  std::span<float> logits() const { return logits_.f32(); }  // [n, n_vocab]; until the next run, and may be changed

  int n_compiled() const { return n_compiled_; }
  size_t activation_bytes() const;  // of the programs that are kept

 private:
  struct StepProgram {
    StepShape shape;
    std::unique_ptr<Program> program;
  };
  Program& program(const StepShape& shape);
  void start(Program& step, std::span<const int32_t> ids, int past);
  void fill_rows(Program& step, std::span<const float* const> rows);
  void make_room(int n_tokens);

  std::shared_ptr<const Checkpoint> checkpoint_;
  std::shared_ptr<Executor> executor_;
  const KvCache& cache_;
  std::vector<StepProgram> programs_;  // the last used one last
  Tensor logits_;
  int n_compiled_ = 0;
};

}  // namespace galago
