// The trainer: runs a graph with libtorch's tape, holds parameters and moments.

#include <cmath>
#include <thread>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "base/error.h"
#include "base/rng.h"
#include "torch/optimizer.h"
#include "torch/run.h"
#include "torch/trainer_program.h"

namespace galago::torch_backend {
namespace {

using Inputs = std::map<std::string, Tensor>;

// Every step allocates and frees the same large tensors. By default glibc maps and unmaps each of them, and a fifth of
// the training time goes into the kernel clearing pages: keep the memory instead.
void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
#endif
}

// libtorch 1.13 never frees what Generator::clone() gives: one for each trainer, and on the CPU none.
at::Generator make_random(at::Device device) {
  if (device.is_cpu()) return at::make_generator<at::CPUGeneratorImpl>();
  return at::globalContext().defaultGenerator(device).clone();
}

class TorchTrainer final : public Trainer {
 public:
  explicit TorchTrainer(const TrainOptions& options) : options_(options), device_(find_device(options.device)) {
    int n = options.n_threads > 0 ? options.n_threads : static_cast<int>(std::thread::hardware_concurrency());
    at::set_num_threads(std::max(n, 1));
    if (device_.is_cpu()) keep_freed_memory();
  }

  float forward_backward(const Graph& graph, const Inputs& inputs, float scale) override {
    Value output = graph.find("loss");
    CHECK(output.valid(), "the graph has no output called loss");
    CHECK(graph.shape(output).elements() == 1, "the loss is {}", graph.shape(output).to_string());
    Run run{.graph = graph, .device = device_, .mixed = options_.bf16, .training = true, .random = micro_step_random()};
    run.masks = std::move(masks_);
    bind_and_run(run, inputs, [&](uint32_t id) { return id == output.id; });
    masks_ = std::move(run.masks);
    at::Tensor loss = run.values[output.id].to(at::kFloat);
    backward(scale == 1 ? loss : loss * scale);
    ++micro_step_;
    return loss.item<float>();
  }

  Inputs evaluate(const Graph& graph, const Inputs& inputs) override {
    at::NoGradGuard no_grad;
    std::vector<bool> kept(graph.nodes().size(), false);
    for (const auto& output : graph.outputs()) kept[output.value.id] = true;
    Run run{.graph = graph, .device = device_, .mixed = options_.bf16};
    bind_and_run(run, inputs, [&](uint32_t id) { return kept[id]; });
    Inputs out;
    for (const auto& output : graph.outputs()) out[output.name] = host_copy_f32(run.values[output.value.id]);
    return out;
  }

  void set_frozen(std::function<bool(std::string_view)> frozen) override {
    frozen_ = std::move(frozen);
    for (auto& [name, parameter] : parameters_) apply_rules(name, parameter);
  }

  void set_lr_factor(std::function<float(std::string_view)> factor) override {
    lr_factor_ = std::move(factor);
    for (auto& [name, parameter] : parameters_) apply_rules(name, parameter);
  }

  float step(float learning_rate) override {
    std::vector<Parameter*> all;
    for (auto& [name, parameter] : parameters_) all.push_back(&parameter);
    double norm = gradient_norm(all);
    double limit = options_.optimizer.clip_norm;
    bool clip = limit > 0 && norm > limit;
    // A gradient that is not finite would destroy the parameters for good: skip this update, the norm tells the caller.
    if (std::isfinite(norm))
      adamw_step(all, options_.optimizer, learning_rate, clip ? static_cast<float>(limit / (norm + 1e-6)) : 1.0f);
    for (Parameter* parameter : all) parameter->value.mutable_grad() = at::Tensor();
    ++steps_;
    micro_step_ = 0;
    return static_cast<float>(norm);
  }

  int64_t steps_done() const override { return steps_; }

  std::vector<std::string> parameter_names() const override {
    std::vector<std::string> names;
    for (const auto& [name, parameter] : parameters_) names.push_back(name);
    return names;
  }

  Tensor parameter(const std::string& name) const override { return host_copy_f32(find(name).value); }

  void set_parameter(const std::string& name, const Tensor& value) override {
    Tensor f32 = to_f32(value);
    auto [entry, fresh] = parameters_.try_emplace(name);
    if (fresh) {
      make_parameter(name, entry->second, f32);
      return;
    }
    require_shape(name, entry->second, f32.shape());
    at::NoGradGuard no_grad;
    entry->second.value.copy_(borrow(f32));
  }

  Tensor gradient(const std::string& name) const override {
    const Parameter& p = find(name);
    return host_copy_f32(p.grad().defined() ? p.grad() : at::zeros_like(p.value));
  }

  std::map<std::string, Tensor> optimizer_state() const override {
    std::map<std::string, Tensor> state;
    for (const auto& [name, p] : parameters_) {
      if (!p.m.defined()) continue;
      state[name + ".m"] = host_copy_f32(p.m);
      state[name + ".v"] = host_copy_f32(p.v);
      int32_t steps = static_cast<int32_t>(p.steps);
      state[name + ".steps"] = Tensor::from(Shape{1}, std::span<const int32_t>(&steps, 1));
    }
    return state;
  }

  void restore(const std::map<std::string, Tensor>& parameters, const std::map<std::string, Tensor>& state,
               int64_t steps_done) override {
    for (const auto& [name, value] : parameters) set_parameter(name, value);
    for (auto& [name, p] : parameters_) restore_moments(name, p, state, steps_done);
    steps_ = steps_done;
    micro_step_ = 0;
  }

 private:
  void bind_and_run(Run& run, const Inputs& inputs, const Keep& keep) {
    run_graph(
        run, [&](const Node& node) { return leaf(node, inputs); }, keep);
  }

  at::Tensor leaf(const Node& node, const Inputs& inputs) {
    if (node.op == Op::Weight) return weight(node.weight);
    if (node.op == Op::State) return borrow(node.state->data).to(device_);
    auto found = inputs.find(node.name);
    if (found == inputs.end()) throw invalid_input("training: input {} is missing", node.name);
    const Tensor& value = found->second;
    if (value.dtype() != node.dtype || !(value.shape() == node.shape))
      throw invalid_input("training: input {} is {} {}, expected {} {}", node.name, info(value.dtype()).name,
                          value.shape().to_string(), info(node.dtype).name, node.shape.to_string());
    return borrow(value).to(device_);
  }

  // f32 weights are parameters; others (quantized, integers) are constants, decoded once.
  at::Tensor weight(const WeightRef& weight) {
    if (weight->data.dtype() != DType::F32) return constant(weight);
    auto [entry, fresh] = parameters_.try_emplace(weight->name);
    if (fresh) make_parameter(weight->name, entry->second, weight->data);
    require_shape(weight->name, entry->second, weight->data.shape());
    return entry->second.value;
  }

  at::Tensor constant(const WeightRef& weight) {
    at::Tensor& value = constants_[weight];
    const Tensor& data = weight->data;
    if (!value.defined()) value = borrow(data.dtype() == DType::I32 ? data : to_f32(data)).to(device_);
    return value;
  }

  void make_parameter(const std::string& name, Parameter& parameter, const Tensor& initial) {
    parameter.value = borrow(initial).to(device_, at::kFloat, /*non_blocking=*/false, /*copy=*/true);
    apply_rules(name, parameter);
  }

  void apply_rules(const std::string& name, Parameter& parameter) {
    parameter.frozen = frozen_ && frozen_(name);
    parameter.lr_factor = lr_factor_ ? lr_factor_(name) : 1.0f;
    parameter.value.set_requires_grad(!parameter.frozen);
    if (parameter.frozen) parameter.value.mutable_grad() = at::Tensor();
  }

  void restore_moments(const std::string& name, Parameter& p, const std::map<std::string, Tensor>& state,
                       int64_t steps_done) {
    auto m = state.find(name + ".m"), v = state.find(name + ".v"), steps = state.find(name + ".steps");
    p.value.mutable_grad() = at::Tensor();
    p.m = p.v = at::Tensor();
    p.steps = 0;
    if (m == state.end() || v == state.end()) return;
    require_shape(name, p, m->second.shape());
    require_shape(name, p, v->second.shape());
    p.m = borrow(to_f32(m->second)).to(device_, at::kFloat, false, true);
    p.v = borrow(to_f32(v->second)).to(device_, at::kFloat, false, true);
    p.steps = steps == state.end() ? steps_done : steps->second.i32()[0];
  }

  static void require_shape(const std::string& name, const Parameter& parameter, const Shape& shape) {
    if (parameter.value.sizes() != sizes(shape))
      throw invalid_input("training: {} has shape {}, expected {}", name, shape.to_string(),
                          fmt::join(parameter.value.sizes().vec(), " x "));
  }

  const Parameter& find(const std::string& name) const {
    auto found = parameters_.find(name);
    if (found == parameters_.end()) throw not_found("training: no parameter {}", name);
    return found->second;
  }

  void backward(const at::Tensor& loss) {
    if (!loss.requires_grad()) return;  // everything is frozen
    try {
      loss.backward();
    } catch (const c10::Error& e) {
      throw invalid_input("training: libtorch cannot run backward: {}", e.what_without_backtrace());
    }
  }

  at::Generator micro_step_random() {
    uint64_t seed = splitmix64(splitmix64(splitmix64(options_.seed) ^ static_cast<uint64_t>(steps_)) + micro_step_);
    random_.set_current_seed(seed);
    return random_;
  }

  TrainOptions options_;
  at::Device device_;
  at::Generator random_ = make_random(device_);
  std::map<std::string, Parameter> parameters_;
  std::map<WeightRef, at::Tensor> constants_;
  std::vector<Run::CausalMask> masks_;
  std::function<bool(std::string_view)> frozen_;
  std::function<float(std::string_view)> lr_factor_;
  int64_t steps_ = 0;
  uint64_t micro_step_ = 0;
};

}  // namespace

std::unique_ptr<Trainer> make_trainer(const TrainOptions& options) { return std::make_unique<TorchTrainer>(options); }

}  // namespace galago::torch_backend
