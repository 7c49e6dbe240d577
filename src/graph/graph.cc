#include "graph/graph.h"

#include <array>

#include "base/error.h"

namespace galago {
namespace {

constexpr OpInfo kOps[] = {
#define OP(name, text, min_inputs, max_inputs, differentiable) \
  {Op::name, text, min_inputs, max_inputs, differentiable},
#include "graph/ops.def"
#undef OP
    {Op::Input, "input", 0, 0, false},
    {Op::Weight, "weight", 0, 0, false},
    {Op::State, "state", 0, 0, false},
};
constexpr size_t kLeaves = 3;

}  // namespace

const OpInfo& info(Op op) { return kOps[static_cast<size_t>(op)]; }

std::span<const OpInfo> all_ops() { return std::span(kOps).first(std::size(kOps) - kLeaves); }

Value Graph::add(Node node) {
  const OpInfo& op = info(node.op);
  int n = static_cast<int>(node.inputs.size());
  CHECK(n >= op.min_inputs && n <= op.max_inputs, "{} with {} inputs", op.name, n);
  for (Value input : node.inputs) CHECK(input.id < nodes_.size(), "{} reads a value that is not there", op.name);
  nodes_.push_back(std::move(node));
  return {static_cast<uint32_t>(nodes_.size() - 1)};
}

Value Graph::input(std::string name, DType dtype, const Shape& shape) {
  CHECK(!find(name).valid(), "two values called {}", name);
  Node node{.op = Op::Input, .inputs = {}, .attrs = {}, .dtype = dtype, .shape = shape, .name = std::move(name)};
  return add(std::move(node));
}

Value Graph::weight(const WeightRef& weight) {
  for (uint32_t id = 0; id < nodes_.size(); ++id)
    if (nodes_[id].weight == weight) return {id};
  Node node{.op = Op::Weight, .dtype = weight->data.dtype(), .shape = weight->data.shape(), .weight = weight};
  return add(std::move(node));
}

Value Graph::state(const StateRef& state) {
  Node node{.op = Op::State, .dtype = state->data.dtype(), .shape = state->data.shape(), .state = state};
  return add(std::move(node));
}

void Graph::output(Value value, std::string name) {
  if (node(value).name.empty()) nodes_[value.id].name = name;
  outputs_.push_back({std::move(name), value});
}

Value Graph::name(Value value, std::string name) {
  CHECK(value.id < nodes_.size());
  nodes_[value.id].name = std::move(name);
  return value;
}

const Node& Graph::node(Value value) const {
  CHECK(value.id < nodes_.size(), "value {} of a graph with {} nodes", value.id, nodes_.size());
  return nodes_[value.id];
}

Value Graph::find(std::string_view name) const {
  for (const Output& output : outputs_)
    if (output.name == name) return output.value;
  for (uint32_t id = 0; id < nodes_.size(); ++id)
    if (nodes_[id].name == name) return {id};
  return {};
}

std::string print(const Graph& graph) {
  std::string text;
  for (size_t id = 0; id < graph.nodes().size(); ++id) {
    const Node& node = graph.nodes()[id];
    std::string inputs;
    for (Value input : node.inputs) inputs += fmt::format("{}%{}", inputs.empty() ? "" : ", ", input.id);
    const std::string& label = node.weight ? node.weight->name : node.state ? node.state->name : node.name;
    text += fmt::format("%{} = {}({})  [{}] {}{}\n", id, info(node.op).name, inputs,
                        fmt::join(node.shape.dims(), ", "), info(node.dtype).name,
                        label.empty() ? "" : fmt::format("  \"{}\"", label));
  }
  return text;
}

}  // namespace galago
