// Golden values by hand: warm-up (n + 1) / warmup, cosine floor + (1 - floor) (1 + cos(pi t)) / 2, wsd floor^t.
#include "train/schedule.h"

#include <gtest/gtest.h>

namespace galago {
namespace {

TEST(Schedule, Cosine) {
  Schedule s{.kind = "cosine", .steps = 1000, .warmup = 200, .floor = 0.1};
  EXPECT_DOUBLE_EQ(learning_rate_factor(s, 0), 0.005);
  EXPECT_DOUBLE_EQ(learning_rate_factor(s, 99), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate_factor(s, 199), 1);
  EXPECT_DOUBLE_EQ(learning_rate_factor(s, 200), 1);
  EXPECT_NEAR(learning_rate_factor(s, 400), 0.868198051534, 1e-12);
  EXPECT_NEAR(learning_rate_factor(s, 600), 0.55, 1e-12);
  EXPECT_NEAR(learning_rate_factor(s, 800), 0.231801948466, 1e-12);
  EXPECT_NEAR(learning_rate_factor(s, 1000), 0.1, 1e-12);
  EXPECT_NEAR(learning_rate_factor(s, 5000), 0.1, 1e-12);
}

TEST(Schedule, WarmupStableDecay) {
  Schedule s{.kind = "wsd", .steps = 1100, .warmup = 100, .floor = 0.04, .decay_share = 0.2};
  EXPECT_DOUBLE_EQ(learning_rate_factor(s, 49), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate_factor(s, 100), 1);
  EXPECT_DOUBLE_EQ(learning_rate_factor(s, 899), 1);
  EXPECT_NEAR(learning_rate_factor(s, 1000), 0.2, 1e-12);          // half of the decay: the root of the floor
  EXPECT_NEAR(learning_rate_factor(s, 1050), 0.0894427191, 1e-9);  // 0.04^(3/4)
  EXPECT_NEAR(learning_rate_factor(s, 1100), 0.04, 1e-12);
}

TEST(Schedule, ConstantAfterWarmup) {
  Schedule s{.kind = "constant", .steps = 10, .warmup = 4};
  EXPECT_DOUBLE_EQ(learning_rate_factor(s, 1), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate_factor(s, 9), 1);
}

TEST(Schedule, WithoutWarmupBeginsAtThePeak) {
  EXPECT_DOUBLE_EQ(learning_rate_factor({.steps = 10, .warmup = 0}, 0), 1);
}

TEST(Schedule, RunShorterThanItsWarmup) {
  Schedule s{.kind = "cosine", .steps = 10, .warmup = 20};
  EXPECT_DOUBLE_EQ(learning_rate_factor(s, 9), 0.5);
}

}  // namespace
}  // namespace galago
