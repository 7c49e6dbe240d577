#include "runtime/turn_executor.h"

#include <condition_variable>
#include <mutex>
#include <utility>

namespace galago {
namespace {

// A mutex that is fair: a thread that asks again at once stands behind the one that waits.
class Turns {
 public:
  void lock() {
    std::unique_lock lock(mutex_);
    const uint64_t own = n_asked_++;
    changed_.wait(lock, [&] { return n_done_ == own; });
  }
  void unlock() {
    std::lock_guard lock(mutex_);
    ++n_done_;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t n_asked_ = 0, n_done_ = 0;
};

class TurnProgram final : public Program {
 public:
  TurnProgram(std::shared_ptr<Turns> turns, std::unique_ptr<Program> program)
      : turns_(std::move(turns)), program_(std::move(program)) {}
  Tensor input(std::string_view name) override { return program_->input(name); }
  Tensor output(std::string_view name) override { return program_->output(name); }
  void run() override {
    std::lock_guard turn(*turns_);
    program_->run();
  }
  size_t activation_bytes() const override { return program_->activation_bytes(); }

 private:
  std::shared_ptr<Turns> turns_;
  std::unique_ptr<Program> program_;
};

class TurnExecutor final : public Executor {
 public:
  explicit TurnExecutor(std::shared_ptr<Executor> executor) : executor_(std::move(executor)) {}
  std::string_view name() const override { return executor_->name(); }
  std::unique_ptr<Program> compile(std::shared_ptr<const Graph> graph, const CompileOptions& options) override {
    return std::make_unique<TurnProgram>(turns_, executor_->compile(std::move(graph), options));
  }
  void forget(const Weight& weight) override { executor_->forget(weight); }

 private:
  std::shared_ptr<Executor> executor_;
  std::shared_ptr<Turns> turns_ = std::make_shared<Turns>();
};

}  // namespace

std::shared_ptr<Executor> take_turns(std::shared_ptr<Executor> executor) {
  if (dynamic_cast<TurnExecutor*>(executor.get())) return executor;
  return std::make_shared<TurnExecutor>(std::move(executor));
}

}  // namespace galago
