// An executor that knows how much memory the programs made by it hold together.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>

#include "graph/executor.h"

namespace galago::testing {

class MeteredExecutor final : public Executor {
 public:
  explicit MeteredExecutor(std::shared_ptr<Executor> inner) : inner_(std::move(inner)) {}
  std::string_view name() const override { return inner_->name(); }
  std::unique_ptr<Program> compile(std::shared_ptr<const Graph> graph, const CompileOptions& options) override {
    return std::make_unique<MeteredProgram>(inner_->compile(std::move(graph), options), meter_);
  }
  void forget(const Weight& weight) override { inner_->forget(weight); }
  size_t peak_bytes() const { return meter_->peak; }

 private:
  struct Meter {
    size_t now = 0, peak = 0;
  };
  class MeteredProgram final : public Program {
   public:
    MeteredProgram(std::unique_ptr<Program> inner, std::shared_ptr<Meter> meter)
        : inner_(std::move(inner)), meter_(std::move(meter)) {
      meter_->now += inner_->activation_bytes();
      meter_->peak = std::max(meter_->peak, meter_->now);
    }
    ~MeteredProgram() override { meter_->now -= inner_->activation_bytes(); }
    Tensor input(std::string_view name) override { return inner_->input(name); }
    Tensor output(std::string_view name) override { return inner_->output(name); }
    void run() override { inner_->run(); }
    size_t activation_bytes() const override { return inner_->activation_bytes(); }

   private:
    std::unique_ptr<Program> inner_;
    std::shared_ptr<Meter> meter_;
  };

  std::shared_ptr<Executor> inner_;
  std::shared_ptr<Meter> meter_ = std::make_shared<Meter>();
};

}  // namespace galago::testing
