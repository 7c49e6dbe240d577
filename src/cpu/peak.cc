#include "cpu/peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "cpu/kernels/kernels.h"

namespace galago::cpu {
namespace {

constexpr int64_t kRounds = 1 << 20;  // some milliseconds
constexpr int kRuns = 7;

double best_rate(ThreadPool& pool, int64_t (*loop)(int64_t)) {
  double best = 0;
  for (int run = 0; run < kRuns; ++run) {
    std::atomic<int64_t> operations{0};
    auto start = std::chrono::steady_clock::now();
    pool.parallel_for(pool.size(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) operations += loop(kRounds);
    });
    std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(operations) / time.count() * 1e-9);
  }
  return best;
}

}  // namespace

PeakRates measure_peaks(ThreadPool& pool) {
  const double floats = best_rate(pool, kernels().peak_floats), bytes = best_rate(pool, kernels().peak_bytes);
  return {floats, bytes, kernels().peak_pairs ? best_rate(pool, kernels().peak_pairs) : floats};
}

}  // namespace galago::cpu
