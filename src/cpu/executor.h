// The cpu executor: plans one arena for all activations, maps or packs weights once, and runs the nodes in order on a pool.
#pragma once

#include <memory>

#include "base/thread_pool.h"
#include "graph/executor.h"

namespace galago::cpu {

enum class Mode {
  Fast,    // SIMD kernels, packed weights, threads; the same bits for any number of threads
  Exact,   // the same, and for any number of rows computed at once: a prompt in one piece or token by token
  Scalar,  // the meaning of every op, one thread: for tests and parity reports
};

// A pool serves one caller at a time, so programs of executors that share a pool must not run at the same time.
// GALAGO_PROFILE=1 in the environment prints the time of each op to stderr when a program ends; GALAGO_ISA forces a level
// of kernels (cpu/kernels/kernels.h).
std::unique_ptr<Executor> make_executor(std::shared_ptr<ThreadPool> pool, Mode mode = Mode::Fast);

}  // namespace galago::cpu
