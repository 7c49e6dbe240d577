#include "runtime/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/error.h"

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
  auto got = shares({.temperature = 0.5f, .top_p = 0.79f}, kLogits);
  EXPECT_EQ(got.size(), 2u);
  EXPECT_NEAR(got[0], 0.25 / 0.34, kNoise);
}

// 0.5, 0.3 and so on: at 0.79 the second token is the one that passes the limit.
TEST(Sampler, TopPKeepsTheTokenThatPassesTheLimit) {
  EXPECT_EQ(shares({.temperature = 1, .top_p = 0.79f}, kLogits, 2000).size(), 2u);
  EXPECT_EQ(shares({.temperature = 1, .top_p = 0.81f}, kLogits, 2000).size(), 3u);
  EXPECT_EQ(shares({.temperature = 1, .top_p = 0.01f}, kLogits, 200).size(), 1u);
  EXPECT_EQ(shares({.temperature = 1, .top_p = 0}, kLogits, 200).size(), 1u);
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

// More candidates than the first sorted piece: the cut must be where a full sort puts it.
TEST(Sampler, CutsLongListsLikeAFullSort) {
  std::vector<float> logits(1000);
  for (size_t i = 0; i < logits.size(); ++i) logits[i * 7 % 1000] = -0.002f * static_cast<float>(i);
  double total = 0, sum = 0;
  for (float logit : logits) total += std::exp(logit);
  size_t expected = 0;
  while (sum < 0.5) sum += std::exp(-0.002 * static_cast<double>(expected++)) / total;
  auto got = shares({.temperature = 1, .top_p = 0.5f}, logits, 5000);
  for (auto [id, share] : got) EXPECT_LT(-logits[static_cast<size_t>(id)] / 0.002f, static_cast<float>(expected));
  EXPECT_GT(got.size(), expected - 5);  // each has 18 draws on average, the last one 13
}

std::vector<int32_t> greedy(const SamplingOptions& options, std::vector<float> logits, int n,
                            const std::vector<int32_t>& prompt = {}) {
  Sampler sampler(options, static_cast<int>(logits.size()), prompt);
  std::vector<int32_t> ids;
  for (int i = 0; i < n; ++i) {
    std::vector<float> copy = logits;
    ids.push_back(sampler.next(copy));
  }
  return ids;
}

TEST(Sampler, PresenceCountsOnceAndFrequencyEachTime) {
  // 3 - 1.5 < 2 - 0; then 2 - 1.5 < 3 - 1.5: presence only alternates once.
  EXPECT_EQ(greedy({.presence_penalty = 1.5f}, {3, 2}, 4), (std::vector<int32_t>{0, 1, 0, 0}));
  // 3, 2.4, 1.8 < 2, 1.4 < 1.8 ...
  EXPECT_EQ(greedy({.frequency_penalty = 0.6f}, {3, 2}, 5), (std::vector<int32_t>{0, 0, 1, 0, 1}));
}

TEST(Sampler, TheWindowForgets) {
  EXPECT_EQ(greedy({.presence_penalty = 5, .repeat_window = 1}, {3, 2, 1}, 4), (std::vector<int32_t>{0, 1, 0, 1}));
  EXPECT_EQ(greedy({.presence_penalty = 5, .repeat_window = 2}, {3, 2, 1}, 4), (std::vector<int32_t>{0, 1, 2, 0}));
  EXPECT_EQ(greedy({.presence_penalty = 5, .repeat_window = 0}, {3, 2, 1}, 2), (std::vector<int32_t>{0, 0}));
  EXPECT_EQ(greedy({.presence_penalty = 5, .repeat_window = -1}, {3, 2, 1}, 4), (std::vector<int32_t>{0, 1, 2, 0}));
}

TEST(Sampler, ThePromptCountsIfAsked) {
  EXPECT_EQ(greedy({.presence_penalty = 5}, {3, 2}, 1, {0}), std::vector<int32_t>{0});
  EXPECT_EQ(greedy({.presence_penalty = 5, .penalize_prompt = true}, {3, 2}, 1, {0, -1}), std::vector<int32_t>{1});
  EXPECT_EQ(greedy({.presence_penalty = 5, .repeat_window = 1, .penalize_prompt = true}, {3, 2}, 1, {0, 1}),
            std::vector<int32_t>{0});  // out of the window again
}

TEST(Sampler, BiasesComeFirst) {
  EXPECT_EQ(greedy({.logit_bias = {{1, 2.f}}}, {3, 2}, 1), std::vector<int32_t>{1});
  EXPECT_EQ(greedy({.logit_bias = {{0, -HUGE_VALF}}}, {3, 2}, 2), (std::vector<int32_t>{1, 1}));
  auto got = shares({.temperature = 1, .logit_bias = {{0, -HUGE_VALF}}}, kLogits, 500);
  EXPECT_EQ(got.count(0), 0u);
}

TEST(Sampler, RefusesOptionsOutOfRange) {
  EXPECT_THROW(Sampler({.temperature = -1}, 4), Error);
  EXPECT_THROW(Sampler({.temperature = NAN}, 4), Error);
  EXPECT_THROW(Sampler({.top_k = -1}, 4), Error);
  EXPECT_THROW(Sampler({.min_p = 2}, 4), Error);
  EXPECT_THROW(Sampler({.repeat_penalty = 0}, 4), Error);
  EXPECT_THROW(Sampler({.repeat_window = -2}, 4), Error);
  EXPECT_THROW(Sampler({.logit_bias = {{4, 1.f}}}, 4), Error);
}

TEST(Scores, AreLogSoftmax) {
  std::vector<TokenScore> best = best_scores(kLogits, 2);
  ASSERT_EQ(best.size(), 2u);
  EXPECT_EQ(best[1].id, 1);
  EXPECT_NEAR(best[1].logprob, std::log(0.3), 1e-6);  // floats
  EXPECT_NEAR(score_of(kLogits, 3).logprob, std::log(0.05), 1e-6);
  EXPECT_EQ(best_scores(kLogits, 10).size(), 4u);
  EXPECT_TRUE(best_scores(kLogits, 0).empty());
}

}  // namespace
}  // namespace galago
