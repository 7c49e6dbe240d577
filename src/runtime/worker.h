// One thread that does what it is given, in order. Sessions that encode pictures in the background own one.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace galago {

// Used by one thread. The destructor waits for the job that has begun and drops those that have not.
class Worker {
 public:
  Worker() : thread_([this] { main(); }) {}
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void post(std::function<void()> job);
  // Until everything posted is done. Throws what the first failing job threw; the jobs behind it are dropped.
  void wait();
  void drop();  // drops what has not begun, waits for what has, forgets what it threw

 private:
  void main();
  void run_next(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool busy_ = false, stop_ = false;
  std::exception_ptr error_;
  std::thread thread_;  // the last member: it uses the others
};

}  // namespace galago
