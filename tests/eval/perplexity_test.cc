// Perplexity against the plain definition: one run of the model for each token.
#include "eval/perplexity.h"

#include <gtest/gtest.h>

#include <cmath>

#include "cpu/executor.h"
#include "eval/caption_nll.h"
#include "runtime/trace.h"
#include "tests/eval/tiny_model.h"

namespace galago::testing {
namespace {

constexpr int kWindow = 8;

std::vector<int32_t> some_ids() {
  std::vector<int32_t> ids;
  for (int i = 0; i < 2 * kWindow + 3; ++i) ids.push_back(3 + i * 7 % 50);  // two windows, and a rest that is left out
  return ids;
}

double plain_nll(const Checkpoint& checkpoint, Executor& executor, std::span<const int32_t> ids, int first) {
  double nll = 0;
  for (int begin = 0; begin + kWindow <= std::ssize(ids); begin += kWindow) {
    const auto window = ids.subspan(static_cast<size_t>(begin), kWindow);
    const Tensor logits =
        run_trace(*checkpoint.model, checkpoint.weights, executor, trace_input(*checkpoint.model, window, {}), "logits")
            .at("logits");
    for (int i = first; i < kWindow; ++i) nll += token_nll(logits.rows(i - 1, i).f32(), window[static_cast<size_t>(i)]);
  }
  return nll;
}

TEST(Perplexity, IsThatOfTheTokensOneByOne) {
  const std::shared_ptr<const Checkpoint> checkpoint = tiny_checkpoint();
  std::shared_ptr<Executor> executor = cpu::make_executor(std::make_shared<ThreadPool>(1), cpu::Mode::Scalar);
  const std::vector<int32_t> ids = some_ids();
  for (bool whole : {false, true})
    for (int chunk : {1, 3, kWindow}) {
      const Perplexity p = perplexity(checkpoint, executor, ids, {kWindow, chunk, whole});
      const int first = whole ? 1 : kWindow / 2;
      EXPECT_EQ(p.n_tokens, 2 * (kWindow - first));
      EXPECT_NEAR(p.nll, plain_nll(*checkpoint, *executor, ids, first), 1e-2);  // the cache holds 16 bits
      EXPECT_NEAR(p.value(), std::exp(p.nll / static_cast<double>(p.n_tokens)), 1e-9);
      EXPECT_GT(p.standard_error(), 0);
    }
}

TEST(Perplexity, ATextShorterThanAWindowIsRefused) {
  const std::shared_ptr<const Checkpoint> checkpoint = tiny_checkpoint();
  std::shared_ptr<Executor> executor = cpu::make_executor(std::make_shared<ThreadPool>(1));
  EXPECT_THROW(perplexity(checkpoint, executor, std::vector<int32_t>(5, 1), {.n_context = 6}), Error);
}

}  // namespace
}  // namespace galago::testing
