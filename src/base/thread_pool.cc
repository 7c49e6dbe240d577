#include "base/thread_pool.h"

#include <algorithm>
#include <utility>

namespace galago {
namespace {

constexpr int kSpins = 4000;  // about 30 us: longer than the pause between two ops of one token, shorter than a sleep
constexpr uint32_t kOpen = 1, kWorker = 2;  // see state_

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

ThreadPool::ThreadPool(int n_threads) {
  if (n_threads <= 0) n_threads = std::max(1u, std::thread::hardware_concurrency());
  workers_.reserve(n_threads - 1);
  for (int i = 1; i < n_threads; ++i) workers_.emplace_back([this] { worker_main(); });
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  epoch_.fetch_add(1);
  epoch_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void ThreadPool::run(Loop loop) {
  if (loop.n <= 0) return;
  loop.grain = std::max<int64_t>(loop.grain, 1);
  if (workers_.empty() || loop.n <= loop.grain) return loop.call(loop.context, 0, loop.n);
  // Four pieces a worker even out cores that are slow or busy.
  int64_t pieces = std::min<int64_t>((loop.n + loop.grain - 1) / loop.grain, 4 * size());
  loop_ = loop;
  piece_ = (loop.n + pieces - 1) / pieces;
  next_ = 0;
  failed_ = false;
  state_.store(kOpen, std::memory_order_release);
  epoch_.fetch_add(1);
  epoch_.notify_all();
  work(loop_, piece_);
  close();
  if (failed_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ThreadPool::work(const Loop& loop, int64_t piece) {
  try {
    for (int64_t begin; (begin = next_.fetch_add(piece)) < loop.n;)
      loop.call(loop.context, begin, std::min(begin + piece, loop.n));
  } catch (...) {
    if (!failed_.exchange(true)) error_ = std::current_exception();
  }
}

// A worker that has not begun by now is not waited for: on a busy machine that would take until its next time slice.
void ThreadPool::close() {
  uint32_t state = state_.fetch_and(~kOpen, std::memory_order_acq_rel) & ~kOpen;
  for (int spin = 0; state != 0; ++spin) {
    spin < kSpins ? pause() : std::this_thread::yield();
    state = state_.load(std::memory_order_acquire);
  }
}

bool ThreadPool::enter() {
  uint32_t state = state_.load(std::memory_order_relaxed);
  while (state & kOpen)
    if (state_.compare_exchange_weak(state, state + kWorker, std::memory_order_acquire)) return true;
  return false;
}

void ThreadPool::worker_main() {
  for (uint32_t seen = 0;;) {
    for (int spin = 0; spin < kSpins && epoch_.load(std::memory_order_relaxed) == seen; ++spin) pause();
    epoch_.wait(seen);
    seen = epoch_.load();
    if (stop_) return;
    if (!enter()) continue;
    work(loop_, piece_);
    state_.fetch_sub(kWorker, std::memory_order_release);
  }
}

}  // namespace galago
