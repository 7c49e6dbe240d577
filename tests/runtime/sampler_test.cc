#include "runtime/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace galago {
namespace {

std::map<int32_t, double> shares(const SamplingOptions& options, const std::vector<float>& logits, int n = 20000) {
  Sampler sampler(options, static_cast<int>(logits.size()));
  std::map<int32_t, double> counts;
  for (int i = 0; i < n; ++i) {
    std::vector<float> copy = logits;
    counts[sampler.next(copy)] += 1.0 / n;
  }
  return counts;
}

const std::vector<float> kLogits = {std::log(0.5f), std::log(0.3f), std::log(0.15f), std::log(0.05f)};
constexpr double kNoise = 0.015;  // four standard deviations of a share of 1/2 in 20,000 draws

TEST(Sampler, GreedyTakesTheFirstOfTheBest) {
  std::vector<float> logits = {1, 3, 3, 2};
  EXPECT_EQ(Sampler({}, 4).next(logits), 1);
}

TEST(Sampler, DrawsByProbability) {
  auto got = shares({.temperature = 1}, kLogits);
  EXPECT_NEAR(got[0], 0.5, kNoise);
  EXPECT_NEAR(got[1], 0.3, kNoise);
  EXPECT_NEAR(got[3], 0.05, kNoise);
}

TEST(Sampler, TemperatureComesAfterTheFilters) {
  // top-p 0.8 keeps 0.5 and 0.3 whatever the temperature; at temperature 0.5 their odds are squared.
  auto got = shares({.temperature = 0.5f, .top_p = 0.8001f}, kLogits);
  EXPECT_EQ(got.size(), 2u);
  EXPECT_NEAR(got[0], 0.25 / 0.34, kNoise);
}

TEST(Sampler, TopPDropsTheTokenThatPassesTheLimitButNeverTheBest) {
  EXPECT_EQ(shares({.temperature = 1, .top_p = 0.79f}, kLogits, 200).size(), 1u);
  EXPECT_EQ(shares({.temperature = 1, .top_p = 0.01f}, kLogits, 200).size(), 1u);
}

TEST(Sampler, TopKAndMinP) {
  EXPECT_EQ(shares({.temperature = 1, .top_k = 3}, kLogits, 2000).size(), 3u);
  EXPECT_EQ(shares({.temperature = 1, .min_p = 0.25f}, kLogits, 2000).size(), 3u);  // 0.15 >= 0.25 * 0.5
}

TEST(Sampler, SeedRepeats) {
  EXPECT_EQ(shares({.temperature = 1, .seed = 5}, kLogits, 100), shares({.temperature = 1, .seed = 5}, kLogits, 100));
  EXPECT_NE(shares({.temperature = 1, .seed = 5}, kLogits, 100), shares({.temperature = 1, .seed = 6}, kLogits, 100));
}

TEST(Sampler, PenaltyCountsATokenOnce) {
  Sampler sampler({.repeat_penalty = 2}, 3);
  std::vector<float> logits = {4, 3, -1};
  EXPECT_EQ(sampler.next(logits), 0);
  logits = {4, 3, -1};
  EXPECT_EQ(sampler.next(logits), 1);  // 4 / 2 < 3
  logits = {4, 3, 1.9f};
  EXPECT_EQ(sampler.next(logits), 0);  // 2, 1.5, 1.9
}

}  // namespace
}  // namespace galago
