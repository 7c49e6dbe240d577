// The libtorch executor: the same graph as at:: calls in float32. The second opinion, and the engine of training.
// This header names no torch type: only src/torch/*.cc includes libtorch.
#pragma once

#include <memory>
#include <string>

#include "graph/executor.h"

namespace galago::torch_backend {

// device: "cpu" or "cuda". Weights of other number formats are decoded to float32.
std::unique_ptr<Executor> make_executor(const std::string& device = "cpu");

}  // namespace galago::torch_backend
