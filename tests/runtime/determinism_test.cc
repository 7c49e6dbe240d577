// The same bits whatever the number of threads and the length of the pieces that a prompt is run in: on this rest that
// answers can be repeated, and that drafts, shared beginnings and eager prefill change nothing.
#include <gtest/gtest.h>

#include "runtime/session.h"
#include "tests/runtime/small_model.h"
#include "tests/support/executors.h"

namespace galago::testing {
namespace {

std::vector<TokenScore> scores(const std::shared_ptr<Checkpoint>& model, const std::shared_ptr<Executor>& executor,
                               int chunk) {
  Session session(model, executor, {.n_context = 256, .chunk = chunk});
  session.attach_image(gradient());
  for (int i = 0; i < 6; ++i) session.add_text("a red apple and two dogs play in the green grass ");
  session.append("near the sea");
  session.generate({.max_new_tokens = 4, .sampling = {}, .ignore_end = true, .n_logprobs = 300});
  std::vector<TokenScore> all;
  for (const TokenLogprobs& token : session.logprobs()) all.insert(all.end(), token.best.begin(), token.best.end());
  return all;
}

void expect_same_bits(cpu::Mode mode, std::initializer_list<int> chunks, const char* preset = "scenes") {
  auto model = tiny_model("hf-nanovlm", "question", preset);
  std::vector<TokenScore> expected;
  for (int threads : {1, 2, 3})
    for (int chunk : chunks) {
      const auto found = scores(model, cpu::make_executor(std::make_shared<ThreadPool>(threads), mode), chunk);
      if (expected.empty()) expected = found;
      ASSERT_EQ(found.size(), expected.size());
      for (size_t i = 0; i < found.size(); ++i) {
        ASSERT_EQ(found[i].id, expected[i].id) << threads << " threads, pieces of " << chunk;
        ASSERT_EQ(found[i].logprob, expected[i].logprob) << threads << " threads, pieces of " << chunk;
      }
    }
}

TEST(Determinism, ScalarCode) { expect_same_bits(cpu::Mode::Scalar, {512, 1, 7, 64}, "tiny"); }

TEST(Determinism, ExactCode) { expect_same_bits(cpu::Mode::Exact, {512, 1, 7, 64}); }

// Fast kernels may add in another order for few rows than for many, but never for other threads.
TEST(Determinism, FastCodeForAnyNumberOfThreads) {
  for (int chunk : {512, 7, 1}) expect_same_bits(cpu::Mode::Fast, {chunk});
}

}  // namespace
}  // namespace galago::testing
