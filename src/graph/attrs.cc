#include "graph/attrs.h"

#include <array>

namespace galago {

std::string_view to_string(UnaryKind kind) {
  constexpr std::string_view kNames[] = {"neg",  "abs",     "square",   "sqrt",      "rsqrt",      "exp",      "log",
                                         "sin",  "cos",     "sigmoid",  "tanh",      "relu",       "relu6",    "silu",
                                         "gelu_erf", "gelu_tanh", "quick_gelu", "softplus", "mish"};
  return kNames[static_cast<size_t>(kind)];
}

std::string_view to_string(RopeLayout layout) { return layout == RopeLayout::Halves ? "halves" : "pairs"; }

std::string_view to_string(PoolKind kind) { return kind == PoolKind::Max ? "max" : "average"; }

std::string_view to_string(InterpolateKind kind) {
  constexpr std::string_view kNames[] = {"nearest", "bilinear", "bicubic"};
  return kNames[static_cast<size_t>(kind)];
}

}  // namespace galago
