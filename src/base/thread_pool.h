// A persistent pool of threads that share loops. The caller is worker 0, so a pool of one starts no thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <type_traits>
#include <vector>

namespace galago {

// One caller at a time may use a pool; it never allocates after construction.
class ThreadPool {
 public:
  explicit ThreadPool(int n_threads);  // 0 = one per processor
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(begin, end) on pieces of [0, n), each longer than half of `grain`, on all workers, and waits. (The last
  // piece is what is left.)
  // Which worker takes which piece varies; the pieces themselves depend only on n, grain and size(). The first
  // exception of a body is thrown again here.
  template <class Body>
  void parallel_for(int64_t n, int64_t grain, Body&& body) {
    using Stored = std::remove_reference_t<Body>;
    run({n, grain, [](void* context, int64_t begin, int64_t end) { (*static_cast<Stored*>(context))(begin, end); },
         const_cast<void*>(static_cast<const void*>(&body))});
  }

 private:
  struct Loop {
    int64_t n = 0, grain = 1;
    void (*call)(void*, int64_t, int64_t) = nullptr;
    void* context = nullptr;
  };
  void run(Loop loop);
  void work(const Loop& loop, int64_t piece);
  void worker_main();
  bool enter();  // a worker joins the open loop; false if there is none
  void close();  // nobody joins any more; waits for those inside

  Loop loop_;
  int64_t piece_ = 1;
  std::atomic<int64_t> next_{0};
  std::atomic<uint32_t> epoch_{0};
  std::atomic<uint32_t> state_{0};  // bit 0: the loop is open; above it: how many workers are inside
  std::atomic<bool> stop_{false};
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
  std::vector<std::thread> workers_;
};

}  // namespace galago
