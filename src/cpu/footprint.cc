#include "cpu/footprint.h"

#include <algorithm>

#include "cpu/op.h"
#include "cpu/plan.h"

namespace galago::cpu {
namespace {

// The inputs of a node without their memory: sizes follow from shapes and types.
std::vector<Tensor> input_shapes(const Graph& graph, const Node& node) {
  static std::byte nowhere;
  std::vector<Tensor> inputs;
  for (Value input : node.inputs) {
    const Node& from = graph.node(input);
    inputs.push_back(Tensor::view(from.dtype, from.shape, &nowhere, nullptr));
  }
  return inputs;
}

}  // namespace

size_t program_bytes(const Graph& graph, int n_threads) {
  const MemoryPlan plan = plan_memory(graph, {});
  size_t scratch = 0, prepared = 0;
  for (size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    if (node.op >= Op::Input || !plan.slots[i].needed) continue;
    const CpuOp& op = cpu_op(node.op);
    const std::vector<Tensor> in = input_shapes(graph, node);
    if (op.scratch_bytes) scratch = std::max(scratch, op.scratch_bytes(node, in, n_threads));
    if (op.prepared) prepared = std::max(prepared, op.prepared(node, in).bytes);
  }
  return plan.arena_bytes + scratch + prepared;
}

}  // namespace galago::cpu
