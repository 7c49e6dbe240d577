#include "eval/perplexity.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "runtime/sampler.h"
#include "runtime/step_runner.h"

namespace galago {
namespace {

// Adds the tokens that follow place `begin` ... of a piece whose logits are `rows`, from place `first` on.
void add_tokens(Perplexity& sum, std::span<const float> rows, std::span<const int32_t> window, size_t begin, size_t n,
                size_t first) {
  const size_t n_vocab = rows.size() / n;
  for (size_t i = 0; i < n; ++i) {
    const size_t next = begin + i + 1;
    if (next < first || next >= window.size()) continue;
    const double nll = -static_cast<double>(score_of(rows.subspan(i * n_vocab, n_vocab), window[next]).logprob);
    sum.nll += nll;
    sum.squares += nll * nll;
    ++sum.n_tokens;
  }
}

void add_window(Perplexity& sum, StepRunner& steps, std::span<const int32_t> window, const PerplexityOptions& o) {
  const size_t first = o.whole ? 1 : window.size() / 2, chunk = static_cast<size_t>(o.chunk);
  for (size_t begin = 0; begin < window.size(); begin += chunk) {
    const size_t n = std::min(chunk, window.size() - begin);
    const std::vector<const float*> no_rows(n, nullptr);
    steps.run(window.subspan(begin, n), no_rows, static_cast<int>(begin), StepLogits::All);
    add_tokens(sum, steps.logits(), window, begin, n, first);
  }
}

}  // namespace

double Perplexity::value() const { return n_tokens > 0 ? std::exp(nll / static_cast<double>(n_tokens)) : 0; }

double Perplexity::standard_error() const {
  if (n_tokens < 2) return 0;
  const double n = static_cast<double>(n_tokens), mean = nll / n;
  return value() * std::sqrt(std::max(0.0, squares / n - mean * mean) / (n - 1));
}

Perplexity perplexity(const std::shared_ptr<const Checkpoint>& checkpoint, const std::shared_ptr<Executor>& executor,
                      std::span<const int32_t> ids, const PerplexityOptions& o,
                      const std::function<void(int64_t, int64_t)>& progress) {
  CHECK(o.n_context > 1 && o.chunk > 0);
  const int64_t window = o.n_context, n_windows = std::ssize(ids) / window;
  if (n_windows == 0)
    throw invalid_input("the text has {} tokens; a window needs {}. Use -c to make it shorter.", ids.size(), window);
  KvCache cache(checkpoint->model->cache(), o.n_context, {});
  StepRunner steps(checkpoint, executor, cache);
  Perplexity sum;
  for (int64_t i = 0; i < n_windows; ++i) {
    add_window(sum, steps, ids.subspan(static_cast<size_t>(i * window), static_cast<size_t>(window)), o);
    if (progress) progress(i + 1, n_windows);
  }
  return sum;
}

}  // namespace galago
