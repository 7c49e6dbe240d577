// Every executor this build has, for tests that must hold on all of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cpu/executor.h"
#if GALAGO_WITH_TORCH
#include "torch/executor.h"
#endif

namespace galago::testing {

struct NamedExecutor {
  std::string name;
  std::shared_ptr<Executor> executor;
};

inline std::vector<NamedExecutor> all_executors() {
  auto pool = std::make_shared<ThreadPool>(2);
  std::vector<NamedExecutor> all;
  all.push_back({"cpu", cpu::make_executor(pool)});
  all.push_back({"scalar", cpu::make_executor(pool, cpu::Mode::Scalar)});
#if GALAGO_WITH_TORCH
  all.push_back({"torch", torch_backend::make_executor()});
#endif
  return all;
}

}  // namespace galago::testing
