// Every index once, whatever the size of the pool; exceptions come back to the caller.
#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>

#include "base/rng.h"

namespace galago {
namespace {

class Pools : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, Pools, ::testing::Values(1, 2, 3));

// How often each of n indices was visited.
std::vector<int> visits(ThreadPool& pool, int64_t n, int64_t grain) {
  std::vector<int> count(n);  // pieces do not overlap, so plain ints do
  pool.parallel_for(n, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) ++count[i];
  });
  return count;
}

TEST_P(Pools, VisitsEveryIndexOnce) {
  ThreadPool pool(GetParam());
  EXPECT_EQ(pool.size(), GetParam());
  for (int64_t n : {0, 1, 2, 3, 7, 8, 9, 33, 1000})
    for (int64_t grain : {-1, 0, 1, 2, 7, 64, 5000})
      EXPECT_EQ(visits(pool, n, grain), std::vector<int>(n, 1)) << n << " with grain " << grain;
}

TEST_P(Pools, ANegativeLengthIsNothing) {
  ThreadPool pool(GetParam());
  pool.parallel_for(-5, 1, [](int64_t, int64_t) { FAIL(); });
}

TEST_P(Pools, PiecesAreLongerThanHalfTheGrain) {
  ThreadPool pool(GetParam());
  for (int64_t n : {31, 59, 61, 100, 999}) {
    std::atomic<int> short_pieces{0};
    pool.parallel_for(n, 30, [&](int64_t begin, int64_t end) { short_pieces += end - begin <= 15 && end != n; });
    EXPECT_EQ(short_pieces, 0) << n;
  }
}

TEST_P(Pools, ExceptionsReachTheCallerAndThePoolGoesOn) {
  ThreadPool pool(GetParam());
  for (int round = 0; round < 20; ++round) {
    auto throwing = [&](int64_t begin, int64_t end) {
      if (begin <= 57 && 57 < end) throw std::runtime_error("at 57");
    };
    EXPECT_THROW(pool.parallel_for(100, 1, throwing), std::runtime_error);
    EXPECT_EQ(visits(pool, 50, 1), std::vector<int>(50, 1));
  }
}

TEST_P(Pools, OneOfManyExceptionsIsThrown) {
  ThreadPool pool(GetParam());
  auto body = [](int64_t begin, int64_t) { throw std::out_of_range(std::to_string(begin)); };
  EXPECT_THROW(pool.parallel_for(1000, 1, body), std::out_of_range);
}

TEST_P(Pools, ManyShortLoops) {
  ThreadPool pool(GetParam());
  Rng rng(1);
  int64_t wanted = 0;
  std::atomic<int64_t> sum{0};
  for (int round = 0; round < 3000; ++round) {
    int64_t n = rng.below(40);
    wanted += n * (n - 1) / 2;
    pool.parallel_for(n, 1 + rng.below(3), [&](int64_t begin, int64_t end) {
      int64_t part = 0;
      for (int64_t i = begin; i < end; ++i) part += i;
      sum += part;
    });
  }
  EXPECT_EQ(sum, wanted);
}

// A loop inside a loop takes a pool of its own: a pool serves one caller at a time.
TEST_P(Pools, NestedLoopsWithPoolsOfTheirOwn) {
  ThreadPool outer(GetParam());
  std::vector<int64_t> sums(6);
  outer.parallel_for(6, 1, [&](int64_t begin, int64_t end) {
    ThreadPool inner(2);
    for (int64_t i = begin; i < end; ++i) {
      std::vector<int> ones = visits(inner, 10 * i, 1);
      sums[i] = std::accumulate(ones.begin(), ones.end(), int64_t{0});
    }
  });
  EXPECT_EQ(sums, (std::vector<int64_t>{0, 10, 20, 30, 40, 50}));
}

TEST_P(Pools, IdlePoolsEndAtOnce) {
  for (int round = 0; round < 50; ++round) ThreadPool pool(GetParam());
}

TEST(ThreadPool, ZeroMeansOneThreadAProcessor) {
  ThreadPool pool(0);
  EXPECT_EQ(pool.size(), static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
}

}  // namespace
}  // namespace galago
