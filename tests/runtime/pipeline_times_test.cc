// The schedule of a two-stage pipeline and what a user waits for, on the published numbers of BlueLM-V-3B (arXiv
// 2411.10640): nine tiles in groups of 4, 4 and 1 on a Dimensity 9300.
#include "runtime/pipeline_times.h"

#include <gtest/gtest.h>

#include <vector>

namespace galago::testing {
namespace {

const std::vector<double> kPrepare{160, 160, 40}, kEncode{800, 800, 300};

TEST(PipelineTimes, ThePublishedSchedule) {
  EXPECT_EQ(serial_time(kPrepare, kEncode), 2260);
  EXPECT_EQ(pipelined_time(kPrepare, kEncode), 2060);
  EXPECT_EQ(pipelined_time(kPrepare, kEncode, 2), 2060);
}

TEST(PipelineTimes, TheSlowerStageIsTheLimit) {
  const std::vector<double> slow(5, 100), fast(5, 10);
  EXPECT_EQ(pipelined_time(slow, fast), 5 * 100 + 10);
  EXPECT_EQ(pipelined_time(fast, slow), 10 + 5 * 100);
  EXPECT_EQ(pipelined_time({}, {}), 0);
}

// With one prepared group waiting at most, the third cannot be handed over before the second leaves the queue.
TEST(PipelineTimes, AShortQueueHoldsStageAUp) {
  const std::vector<double> prepare{1, 1, 1, 50}, encode{100, 1, 1, 1};
  EXPECT_EQ(pipelined_time(prepare, encode), 1 + 100 + 1 + 1 + 1);
  EXPECT_EQ(pipelined_time(prepare, encode, 1), 1 + 100 + 1 + 49 + 1);
}

TEST(PipelineTimes, WaitingForTheFirstToken) {
  const AnswerTimes phone{.vision = 2.06, .prefill_image = 2.3, .prefill_text = 0.4};
  EXPECT_DOUBLE_EQ(coupled_ttft(phone), 4.76);
  EXPECT_DOUBLE_EQ(decoupled_ttft(phone, 3), 2.7);
  EXPECT_DOUBLE_EQ(decoupled_ttft(phone, 0), coupled_ttft(phone));
  EXPECT_DOUBLE_EQ(eager_ttft(phone, 3), 2.06 + 2.3 - 3 + 0.4);
  EXPECT_DOUBLE_EQ(eager_ttft(phone, 60), 0.4);
  EXPECT_DOUBLE_EQ(eager_ttft(phone, 0), coupled_ttft(phone));
}

}  // namespace
}  // namespace galago::testing
