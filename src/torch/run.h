// Walking a graph with libtorch: shared by the executor (executor.cc) and the trainer (trainer.cc).
// Private to src/torch: the only header here, with ops.h, that names torch types.
#pragma once

#include <functional>
#include <vector>

#include "graph/graph.h"
#include "torch/libtorch.h"

namespace galago::torch_backend {

at::Device find_device(const std::string& name);  // throws Unsupported if this machine lacks it
at::ScalarType scalar_type(DType dtype);          // CHECKs that torch has the type
inline at::IntArrayRef sizes(const Shape& shape) { return {shape.dims().data(), shape.dims().size()}; }
at::Tensor borrow(const Tensor& host);                         // a view of the same memory, on the CPU
void copy_to_host(const at::Tensor& value, const Tensor& to);  // converts to the type of `to`
Tensor host_copy_f32(const at::Tensor& value);

// One pass over one graph. `mixed`: products take bf16 operands; everything else is f32.
// Nodes fill `values` in order; each value is dropped after its last reader unless `keep` says otherwise.
struct Run {
  const Graph& graph;
  at::Device device = at::kCPU;
  bool mixed = false;
  bool training = false;  // dropout is active
  at::Generator random;   // of dropout; needed when training
  std::vector<at::Tensor> values;
  std::vector<bool> read_in_f32;   // some reader is not a product, or the caller keeps the value
  std::vector<at::Tensor> halves;  // bf16 copies of `values`, made once however many products read them
  // Cosines and sines of rotary positions: the same for every layer, and for queries and keys.
  struct Angles {
    Value positions, factors;
    float base, scale;
    int n_rot;
    at::Tensor cosines, sines;
  };
  std::vector<Angles> angles;
  // The additive mask of an attention without its own mask depends on these numbers only.
  struct CausalMask {
    int64_t queries, keys, past;
    int window;
    bool causal;
    at::ScalarType type;
    at::Tensor additive, sees_any;
  };
  std::vector<CausalMask> masks;
  size_t live_bytes = 0, peak_bytes = 0;  // of intermediate values
};

using LeafValue = std::function<at::Tensor(const Node&)>;
using Keep = std::function<bool(uint32_t id)>;

// Computes every node; `leaf` gives inputs, weights and states. Turns what libtorch throws into Error.
void run_graph(Run& run, const LeafValue& leaf, const Keep& keep);

// What an op's function gets: its node and its inputs.
class Call {
 public:
  Call(Run& run, const Node& node) : run(run), node(node) {}

  size_t count() const { return node.inputs.size(); }
  bool has(size_t i) const { return i < node.inputs.size(); }
  at::Tensor in(size_t i) const;       // f32, or bf16 in a mixed run, or i32
  at::Tensor f32(size_t i) const;      // always f32
  at::Tensor operand(size_t i) const;  // for products: bf16 in a mixed run, else f32
  at::Tensor f32_or_none(size_t i) const { return has(i) ? f32(i) : at::Tensor(); }
  at::Tensor operand_or_none(size_t i) const { return has(i) ? operand(i) : at::Tensor(); }
  // In a mixed run: nobody needs this node's result in f32, so it may be bf16 at once.
  bool only_products_read_it() const;
  template <class T>
  const T& attr() const {
    return node.attr<T>();
  }

  Run& run;
  const Node& node;
};

// One function an op, in ops/*.cc; a row of ops.def without one does not link.
#define OP(name, text, min_inputs, max_inputs, differentiable) at::Tensor run_##name(const Call& call);
#include "graph/ops.def"
#undef OP

at::Tensor apply_unary(UnaryKind kind, const at::Tensor& x);  // ops/arithmetic.cc; also the gate of glu

}  // namespace galago::torch_backend
