// Distances between logits, against numbers worked out by hand.
#include "quant/quality.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace galago::testing {
namespace {

Tensor logits(const std::vector<float>& values, int64_t n_vocab) {
  return Tensor::from({static_cast<int64_t>(values.size()) / n_vocab, n_vocab}, std::span<const float>(values));
}

TEST(CompareLogits, TheSameIsPerfect) {
  const LogitsQuality q = compare_logits(logits({1, 2, 3, 3, 2, 1}, 3), logits({1, 2, 3, 3, 2, 1}, 3));
  EXPECT_EQ(q.n_places, 2);
  EXPECT_EQ(q.mean_kl, 0);
  EXPECT_EQ(q.same_top, 1);
  EXPECT_EQ(q.relative_error, 0);
}

TEST(CompareLogits, AConstantIsNoDifferenceOfDistributions) {
  const LogitsQuality q = compare_logits(logits({1, 2, 3}, 3), logits({11, 12, 13}, 3));
  EXPECT_NEAR(q.mean_kl, 0, 1e-12);  // exp and log of doubles
  EXPECT_EQ(q.same_top, 1);
  EXPECT_NEAR(q.relative_error, std::sqrt(300.0 / 14.0), 1e-12);
}

// p = (3/4, 1/4) against q = (1/4, 3/4): KL = 3/4 ln 3 - 1/4 ln 3. The second place agrees.
TEST(CompareLogits, TwoTokens) {
  const float ln3 = std::log(3.0f);
  const LogitsQuality q = compare_logits(logits({ln3, 0, 5, 0}, 2), logits({0, ln3, 5, 0}, 2));
  EXPECT_NEAR(q.max_kl, 0.5 * std::log(3.0), 1e-7);  // ln 3 as a float
  EXPECT_NEAR(q.mean_kl, 0.25 * std::log(3.0), 1e-7);
  EXPECT_EQ(q.same_top, 0.5);
}

}  // namespace
}  // namespace galago::testing
