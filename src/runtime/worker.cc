#include "runtime/worker.h"

#include <utility>

namespace galago {

Worker::~Worker() {
  {
    std::lock_guard lock(mutex_);
    jobs_.clear();
    stop_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void Worker::post(std::function<void()> job) {
  std::lock_guard lock(mutex_);
  jobs_.push_back(std::move(job));
  changed_.notify_all();
}

void Worker::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return jobs_.empty() && !busy_; });
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void Worker::drop() {
  std::unique_lock lock(mutex_);
  jobs_.clear();
  changed_.wait(lock, [&] { return !busy_; });
  error_ = nullptr;
}

void Worker::main() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return !jobs_.empty() || stop_; });
    if (jobs_.empty()) return;
    run_next(lock);
    changed_.notify_all();
  }
}

void Worker::run_next(std::unique_lock<std::mutex>& lock) {
  std::function<void()> job = std::move(jobs_.front());
  jobs_.pop_front();
  busy_ = true;
  std::exception_ptr error;
  lock.unlock();
  try {
    job();
  } catch (...) {
    error = std::current_exception();
  }
  job = nullptr;  // what it holds is freed before anybody hears that it is done
  lock.lock();
  busy_ = false;
  if (!error) return;
  jobs_.clear();
  if (!error_) error_ = error;
}

}  // namespace galago
