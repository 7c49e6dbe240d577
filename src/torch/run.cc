#include "torch/run.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace galago::torch_backend {
namespace {

using OpFunction = at::Tensor (*)(const Call&);
constexpr OpFunction kFunctions[] = {
#define OP(name, text, min_inputs, max_inputs, differentiable) run_##name,
#include "graph/ops.def"
#undef OP
};

bool is_leaf(Op op) { return op == Op::Input || op == Op::Weight || op == Op::State; }

// last[id] = the last node that reads value id; its own position if nobody does.
std::vector<uint32_t> last_readers(const Graph& graph) {
  std::vector<uint32_t> last(graph.nodes().size());
  for (uint32_t id = 0; id < last.size(); ++id) {
    last[id] = id;
    for (Value input : graph.nodes()[id].inputs) last[input.id] = id;
  }
  return last;
}

bool is_product(Op op) {
  return op == Op::Linear || op == Op::Matmul || op == Op::Attention || op == Op::ExpertLinear || op == Op::Conv1d ||
         op == Op::Conv2d;
}

std::vector<bool> values_read_in_f32(const Graph& graph, const Keep& keep) {
  std::vector<bool> read(graph.nodes().size(), false);
  for (uint32_t id = 0; id < read.size(); ++id) {
    if (keep(id)) read[id] = true;
    if (is_product(graph.nodes()[id].op)) continue;
    for (Value input : graph.nodes()[id].inputs) read[input.id] = true;
  }
  return read;
}

size_t bytes_of(const at::Tensor& value) { return value.defined() ? value.nbytes() : 0; }

void drop(Run& run, uint32_t id) {
  if (!is_leaf(run.graph.nodes()[id].op)) run.live_bytes -= bytes_of(run.values[id]);
  run.values[id] = at::Tensor();
  run.halves[id] = at::Tensor();
}

at::Tensor compute(Run& run, const Node& node) {
  try {
    return kFunctions[static_cast<size_t>(node.op)](Call(run, node));
  } catch (const c10::Error& e) {
    throw invalid_input("{}: libtorch cannot compute this: {}", info(node.op).name, e.what_without_backtrace());
  }
}

}  // namespace

at::Device find_device(const std::string& name) {
  if (name == "cpu") return at::kCPU;
  if (name != "cuda") throw unsupported("device {}: unknown; use cpu or cuda", name);
  if (!at::hasCUDA()) throw unsupported("device cuda: this libtorch sees no CUDA device; use cpu");
  return at::Device(at::kCUDA, 0);
}

at::ScalarType scalar_type(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return at::kFloat;
    case DType::F16:
      return at::kHalf;
    case DType::BF16:
      return at::kBFloat16;
    case DType::I32:
      return at::kInt;
    default:
      CHECK(false, "libtorch has no {}", info(dtype).name);
  }
}

at::Tensor borrow(const Tensor& host) {
  auto options = at::TensorOptions().dtype(scalar_type(host.dtype()));
  if (host.elements() == 0) return at::empty(sizes(host.shape()), options);
  return at::from_blob(
      host.bytes(), sizes(host.shape()), [owner = host.owner()](void*) {}, options);
}

void copy_to_host(const at::Tensor& value, const Tensor& to) {
  at::NoGradGuard no_grad;
  if (to.elements() > 0) borrow(to).copy_(value.detach());
}

Tensor host_copy_f32(const at::Tensor& value) {
  Tensor out = Tensor::make(DType::F32, Shape(std::span(value.sizes().data(), value.sizes().size())));
  copy_to_host(value, out);
  return out;
}

void run_graph(Run& run, const LeafValue& leaf, const Keep& keep) {
  auto nodes = run.graph.nodes();
  run.values.assign(nodes.size(), {});
  run.halves.assign(nodes.size(), {});
  run.read_in_f32 = values_read_in_f32(run.graph, keep);
  std::vector<uint32_t> last = last_readers(run.graph);
  for (uint32_t id = 0; id < nodes.size(); ++id) {
    const Node& node = nodes[id];
    run.values[id] = is_leaf(node.op) ? leaf(node) : compute(run, node);
    CHECK(run.values[id].sizes() == sizes(node.shape), "{}: torch gave {}, the graph says {}", info(node.op).name,
          fmt::join(run.values[id].sizes().vec(), " x "), node.shape.to_string());
    if (!is_leaf(node.op)) run.live_bytes += bytes_of(run.values[id]);
    run.peak_bytes = std::max(run.peak_bytes, run.live_bytes);
    for (Value input : node.inputs)
      if (last[input.id] == id && run.values[input.id].defined() && !keep(input.id)) drop(run, input.id);
    if (last[id] == id && !keep(id)) drop(run, id);
  }
}

bool Call::only_products_read_it() const { return run.mixed && !run.read_in_f32[&node - run.graph.nodes().data()]; }

at::Tensor Call::in(size_t i) const {
  const at::Tensor& value = run.values[node.inputs[i].id];
  bool stored_half = value.scalar_type() == at::kHalf || (value.scalar_type() == at::kBFloat16 && !run.mixed);
  return stored_half ? value.to(at::kFloat) : value;
}

at::Tensor Call::f32(size_t i) const {
  const at::Tensor& value = run.values[node.inputs[i].id];
  return value.scalar_type() == at::kFloat ? value : value.to(at::kFloat);
}

at::Tensor Call::operand(size_t i) const {
  if (!run.mixed) return f32(i);
  uint32_t id = node.inputs[i].id;
  if (run.values[id].scalar_type() == at::kBFloat16) return run.values[id];
  if (!run.halves[id].defined()) run.halves[id] = run.values[id].to(at::kBFloat16);
  return run.halves[id];
}

}  // namespace galago::torch_backend
