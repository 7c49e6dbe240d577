// How well a language model foresees a text: exp of the mean negative log likelihood of its tokens.
//
// The text is cut into windows of the context's length. In each window the first half is only read, so that every
// scored token has at least half a window before it (as llama.cpp counts it, so that figures compare); `whole` scores
// all but the first token of a window.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "graph/executor.h"
#include "runtime/checkpoint.h"

namespace galago {

struct PerplexityOptions {
  int n_context = 512;  // tokens of a window
  int chunk = 128;      // of them run at once
  bool whole = false;
};

struct Perplexity {
  double nll = 0;                 // sum over the scored tokens, nats
  int64_t n_tokens = 0;           // scored
  double value() const;           // exp(nll / n_tokens)
  double standard_error() const;  // of value(), from the spread of the tokens
  double squares = 0;             // sum of nll^2 of each token
};

// Throws InvalidInput if the text has no whole window. Calls `progress(done, all)` after each window.
Perplexity perplexity(const std::shared_ptr<const Checkpoint>& checkpoint, const std::shared_ptr<Executor>& executor,
                      std::span<const int32_t> ids, const PerplexityOptions& options,
                      const std::function<void(int64_t, int64_t)>& progress = {});

}  // namespace galago
