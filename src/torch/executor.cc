// The second opinion: every node is one at:: call in float32, without gradients.
#include "torch/executor.h"

#include <map>
#include <mutex>

#include "base/error.h"
#include "torch/run.h"

namespace galago::torch_backend {
namespace {

// Weights as torch tensors, converted once an executor; shared by its programs. Thread-safe.
class WeightStore {
 public:
  explicit WeightStore(at::Device device) : device_(device) {}
  at::Device device() const { return device_; }

  at::Tensor get(const WeightRef& weight) {
    std::lock_guard lock(mutex_);
    auto [entry, fresh] = known_.try_emplace(weight.get());
    if (fresh) entry->second = {weight, convert(weight->data)};
    return entry->second.value;
  }

 private:
  struct Entry {
    WeightRef weight;  // keeps the address from being used again
    at::Tensor value;
  };
  at::Tensor convert(const Tensor& data) const {
    return borrow(data.dtype() == DType::I32 ? data : to_f32(data)).to(device_);
  }
  at::Device device_;
  std::mutex mutex_;
  std::map<const Weight*, Entry> known_;
};

class TorchProgram final : public Program {
 public:
  TorchProgram(std::shared_ptr<WeightStore> weights, std::shared_ptr<const Graph> graph, const CompileOptions& options)
      : weights_(std::move(weights)), graph_(std::move(graph)), kept_(graph_->nodes().size(), false) {
    for (const Node& node : graph_->nodes())
      if (node.op == Op::Input) inputs_[node.name] = Tensor::make(node.dtype, node.shape);
    for (const auto& output : graph_->outputs()) keep(output.name, output.value);
    for (uint32_t id = 0; options.keep_named && id < kept_.size(); ++id)
      if (!graph_->nodes()[id].name.empty()) keep(graph_->nodes()[id].name, {id});
  }

  Tensor input(std::string_view name) override {
    auto found = inputs_.find(name);
    CHECK(found != inputs_.end(), "no input {}", name);
    return found->second;
  }

  Tensor output(std::string_view name) override {
    auto found = outputs_.find(name);
    CHECK(found != outputs_.end(), "no output {}", name);
    return found->second.memory;
  }

  void run() override {
    at::NoGradGuard no_grad;
    Run run{.graph = *graph_, .device = weights_->device()};
    run_graph(
        run, [&](const Node& node) { return leaf(node); },
        [&](uint32_t id) { return kept_[id] || graph_->nodes()[id].op == Op::State; });
    for (auto& [name, output] : outputs_) copy_to_host(run.values[output.value.id], output.memory);
    if (!weights_->device().is_cpu()) return_states(run);
    peak_bytes_ = run.peak_bytes;
  }

  size_t activation_bytes() const override { return peak_bytes_; }

 private:
  struct Kept {
    Value value;
    Tensor memory;
  };

  void keep(const std::string& name, Value value) {
    const Node& node = graph_->node(value);
    kept_[value.id] = true;
    bool plain = !info(node.dtype).quantized();
    outputs_.try_emplace(name, Kept{value, Tensor::make(plain ? node.dtype : DType::F32, node.shape)});
  }

  at::Tensor leaf(const Node& node) {
    if (node.op == Op::Weight) return weights_->get(node.weight);
    if (node.op == Op::Input) return borrow(inputs_.find(node.name)->second).to(weights_->device());
    const Tensor& state = node.state->data;  // a block format is read as an f32 copy
    return borrow(info(state.dtype()).quantized() ? to_f32(state) : state).to(weights_->device());
  }

  // On another device a state was a copy: what kv_append wrote goes back to the session's memory. Block formats it
  // writes there itself.
  void return_states(const Run& run) {
    for (uint32_t id = 0; id < kept_.size(); ++id) {
      const Node& node = graph_->nodes()[id];
      if (node.op == Op::State && !info(node.dtype).quantized()) copy_to_host(run.values[id], node.state->data);
    }
  }

  std::shared_ptr<WeightStore> weights_;
  std::shared_ptr<const Graph> graph_;
  std::vector<bool> kept_;
  std::map<std::string, Tensor, std::less<>> inputs_;
  std::map<std::string, Kept, std::less<>> outputs_;
  size_t peak_bytes_ = 0;
};

class TorchExecutor final : public Executor {
 public:
  explicit TorchExecutor(at::Device device) : weights_(std::make_shared<WeightStore>(device)) {}
  std::string_view name() const override { return "torch"; }
  std::unique_ptr<Program> compile(std::shared_ptr<const Graph> graph, const CompileOptions& options) override {
    return std::make_unique<TorchProgram>(weights_, std::move(graph), options);
  }

 private:
  std::shared_ptr<WeightStore> weights_;
};

}  // namespace

std::unique_ptr<Executor> make_executor(const std::string& device) {
  return std::make_unique<TorchExecutor>(find_device(device));
}

}  // namespace galago::torch_backend
