// A Graph is a model written once: a list of nodes in execution order. It never computes; executors do (executor.h).
// Models add nodes through the functions of builder.h, which check shapes and carry the meaning of each op.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/attrs.h"
#include "tensor/tensor.h"

namespace galago {

enum class Op : uint8_t {
#define OP(name, text, min_inputs, max_inputs, differentiable) name,
#include "graph/ops.def"
#undef OP
  Input,
  Weight,
  State,  // leaves: not computed
};

struct OpInfo {
  Op op;
  std::string_view name;
  int min_inputs, max_inputs;
  bool differentiable;
};
const OpInfo& info(Op op);
std::span<const OpInfo> all_ops();  // the rows of ops.def, without the leaves

// A named parameter: f32 when training, any number format when running. Shared by all graphs of a model; executors key
// their packed or converted copies by its address.
struct Weight {
  std::string name;
  Tensor data;
  Tensor packed = {};  // U8: the same in the layout of the cpu's kernels, where the file holds it (docs/formats.md)
};
using WeightRef = std::shared_ptr<const Weight>;

// A buffer that lives across runs: a key/value cache, a scan state. Owned by the session.
struct State {
  std::string name;
  Tensor data;
};
using StateRef = std::shared_ptr<const State>;

struct Value {  // a handle into one Graph
  uint32_t id = UINT32_MAX;
  bool valid() const { return id != UINT32_MAX; }
};

struct Node {
  Op op;
  std::vector<Value> inputs;
  Attrs attrs;
  DType dtype = DType::F32;
  Shape shape;
  std::string name;  // "layer.3.attn.out"; empty for values nobody asks for
  WeightRef weight;  // Op::Weight
  StateRef state;    // Op::State

  template <class T>
  const T& attr() const {
    return std::get<T>(attrs);
  }
};

// Built by one thread; read by any number once finished. Movable, not copyable.
class Graph {
 public:
  Graph() = default;
  Graph(Graph&&) = default;
  Graph& operator=(Graph&&) = default;

  Value input(std::string name, DType dtype, const Shape& shape);
  Value weight(const WeightRef& weight);  // the same weight gives the same Value
  Value state(const StateRef& state);
  void output(Value value, std::string name);  // also names the value if it has no name
  Value name(Value value, std::string name);   // for traces, parity reports and golden tests; returns the value

  Value add(Node node);  // used by builder.h only; checks the number of inputs against ops.def

  const Node& node(Value value) const;
  const Shape& shape(Value value) const { return node(value).shape; }
  std::span<const Node> nodes() const { return nodes_; }
  struct Output {
    std::string name;
    Value value;
  };
  std::span<const Output> outputs() const { return outputs_; }
  Value find(std::string_view name) const;  // input, output or named value; invalid Value if there is none

 private:
  std::vector<Node> nodes_;
  std::vector<Output> outputs_;
};

std::string print(const Graph& graph);  // one line a node: %7 = linear(%3, %5)  [64, 768] f32  "layer.0.attn.q"

}  // namespace galago
