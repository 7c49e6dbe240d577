// A token is decoded and chosen with memory that was there before.
#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/sampler.h"
#include "runtime/step_runner.h"
#include "tests/runtime/small_model.h"
#include "tests/support/count_allocations.h"
#include "tests/support/executors.h"

namespace galago::testing {
namespace {

TEST(NoAllocation, OneTokenThroughTheCache) {
  if (!COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer owns operator new";
  auto model = tiny_model("hf-nanovlm", "question", "scenes");
  for (DType type : {DType::F16, DType::Q8_0}) {
    KvCache cache(model->model->cache(), 64, {type, type});
    StepRunner steps(model, all_executors()[0].executor, cache);
    const int32_t id = 5;
    const float* no_row = nullptr;
    for (int past = 0; past < 8; ++past) {
      const int64_t before = n_allocations;
      steps.run(std::span(&id, 1), std::span(&no_row, 1), past, StepLogits::Last);
      const int64_t n = n_allocations - before;
      EXPECT_TRUE(past == 0 || n == 0) << n << " at place " << past << ", " << info(type).name;
    }
  }
}

TEST(NoAllocation, ChoosingAToken) {
  if (!COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer owns operator new";
  SamplingOptions options{.temperature = 0.8f, .top_k = 40, .top_p = 0.9f, .min_p = 0.01f, .repeat_penalty = 1.1f};
  options.frequency_penalty = 0.2f;
  std::vector<float> logits(1000), copy(1000);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(i * 37 % 101) / 20;
  Sampler sampler(options, 1000);
  for (int i = 0; i < 100; ++i) {
    copy = logits;
    const int64_t before = n_allocations;
    sampler.next(copy);
    EXPECT_EQ(n_allocations - before, 0) << "token " << i;
  }
}

}  // namespace
}  // namespace galago::testing
