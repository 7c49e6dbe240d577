// What the processor could do at most, measured: the denominators of `galago bench` and of the tests that guard
// kernels.
#pragma once

#include "base/thread_pool.h"

namespace galago::cpu {

struct PeakRates {
  double floats, bytes, bf16;  // 10^9 multiplications and additions a second, all threads of the pool together
};

// The arithmetic of the chosen level of kernels, over registers. The best of a few runs: about a tenth of a second.
PeakRates measure_peaks(ThreadPool& pool);

}  // namespace galago::cpu
