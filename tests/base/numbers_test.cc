// Size arithmetic at its edges; random numbers that must never change, as data sets and weights follow from them.
#include <gtest/gtest.h>

#include <vector>

#include "base/checked.h"
#include "base/error.h"
#include "base/progress.h"
#include "base/rng.h"

namespace galago {
namespace {

constexpr uint64_t kMax = UINT64_MAX;

TEST(Checked, AddStopsAtTheLargestValue) {
  EXPECT_EQ(checked_add(2, 3), 5u);
  EXPECT_EQ(checked_add(kMax, 0), kMax);
  EXPECT_EQ(checked_add(kMax, 1), std::nullopt);
  EXPECT_EQ(checked_add(1ull << 63, 1ull << 63), std::nullopt);
}

TEST(Checked, MultiplyStopsAtTheLargestValue) {
  EXPECT_EQ(checked_mul(0, kMax), 0u);
  EXPECT_EQ(checked_mul(0xFFFFFFFFull, 0x100000001ull), kMax);  // 2^64 - 1 = (2^32 - 1)(2^32 + 1)
  EXPECT_EQ(checked_mul(1ull << 32, 1ull << 32), std::nullopt);
}

TEST(Checked, AlignUp) {
  EXPECT_EQ(checked_align_up(0, 32), 0u);
  EXPECT_EQ(checked_align_up(1, 32), 32u);
  EXPECT_EQ(checked_align_up(32, 32), 32u);
  EXPECT_EQ(checked_align_up(33, 1), 33u);
  EXPECT_EQ(checked_align_up(kMax - 31, 32), kMax - 31);
  EXPECT_EQ(checked_align_up(kMax - 30, 32), std::nullopt);
}

// The first numbers of SplitMix64 (Steele, Lea and Flood 2014) for seed 0 and for seed 1234567, as
// https://prng.di.unimi.it/splitmix64.c gives them.
TEST(Rng, IsSplitMix64) {
  Rng zero(0);
  EXPECT_EQ(zero.next(), 0xE220A8397B1DCDAFull);
  EXPECT_EQ(zero.next(), 0x6E789E6AA1B965F4ull);
  Rng rng(1234567);
  for (uint64_t wanted : {6457827717110365317ull, 3203168211198807973ull, 9817491932198370423ull,
                          4593380528125082431ull, 16408922859458223821ull})
    EXPECT_EQ(rng.next(), wanted);
}

TEST(Rng, CopiesForkTheStream) {
  Rng a(5);
  a.next();
  Rng b = a;
  EXPECT_EQ(a.next(), b.next());
  Rng resumed = Rng(a.state());
  EXPECT_EQ(a.next(), resumed.next());
}

TEST(Rng, UniformIsBelowOne) {
  Rng rng(0);
  EXPECT_EQ(rng.uniform(), static_cast<double>(0xE220A8397B1DCDAFull >> 11) * 0x1.0p-53);
  double low = 1, high = 0, sum = 0;
  for (int i = 0; i < 100000; ++i) {
    double u = rng.uniform();
    low = std::min(low, u), high = std::max(high, u), sum += u;
  }
  EXPECT_GE(low, 0);
  EXPECT_LT(high, 1);
  EXPECT_NEAR(sum / 100000, 0.5, 0.005);  // five standard deviations of the mean: 5 * 0.289 / sqrt(100000) = 0.0046
}

TEST(Rng, BelowReachesEveryValueEquallyOften) {
  Rng rng(3);
  std::vector<int> count(7);
  for (int i = 0; i < 70000; ++i) ++count.at(rng.below(7));
  for (int n : count) EXPECT_NEAR(n, 10000, 500);  // five standard deviations: 5 * sqrt(70000 * 6 / 49) = 463
  EXPECT_EQ(rng.below(1), 0);
}

TEST(Rng, NormalHasMeanZeroAndVarianceOne) {
  Rng rng(4);
  double sum = 0, squares = 0;
  for (int i = 0; i < 100000; ++i) {
    double x = rng.normal();
    sum += x, squares += x * x;
  }
  EXPECT_NEAR(sum / 100000, 0, 0.016);      // 5 / sqrt(100000)
  EXPECT_NEAR(squares / 100000, 1, 0.023);  // 5 sqrt(2 / 100000)
}

TEST(Errors, CarryKindAndSentence) {
  Error error = not_found("{}: no tensor {}", "a.gguf", "x");
  EXPECT_EQ(error.kind(), ErrorKind::NotFound);
  EXPECT_STREQ(error.what(), "a.gguf: no tensor x");
}

TEST(ErrorsDeathTest, CheckAbortsWithItsPlace) {
  int n = 3;
  EXPECT_DEATH(CHECK(n == 4, "n is {}", n), "numbers_test.cc:[0-9]+: CHECK\\(n == 4\\) failed: n is 3");
  CHECK(n == 3);
}

TEST(Progress, DurationsReadAsPeopleSayThem) {
  EXPECT_EQ(duration_text(42), "42 s");
  EXPECT_EQ(duration_text(190), "3 min 10 s");
  EXPECT_EQ(duration_text(7500), "2 h 05 min");
}

}  // namespace
}  // namespace galago
