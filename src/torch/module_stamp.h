// What program and galago_torch.so must agree on: they pass C++ objects to each other, so they are built together.
#pragma once

#include <string>

#include "graph/graph.h"

namespace galago::torch_backend {

inline std::string module_stamp() {
  return fmt::format("{} ops, {} number formats, nodes of {} and tensors of {} bytes", all_ops().size(),
                     all_dtypes().size(), sizeof(Node), sizeof(Tensor));
}

}  // namespace galago::torch_backend
