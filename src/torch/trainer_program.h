// A training program: a graph whose output "loss" is a scalar, run forward and backward by libtorch, with its
// optimizer. This header names no torch type: train/ sees only this.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace galago::torch_backend {

struct AdamWOptions {
  float beta1 = 0.9f, beta2 = 0.95f, eps = 1e-8f;
  float weight_decay = 0.1f;  // on parameters with two or more dimensions only
  float clip_norm = 1.0f;     // of the global gradient; 0 = off
};

struct TrainOptions {
  std::string device = "cpu";
  bool bf16 = false;  // of the operands of matrix products, attention and convolutions; parameters and reductions stay f32
  uint64_t seed = 0;  // of dropout
  int n_threads = 0;  // 0 = all processors
  AdamWOptions optimizer;
};

// Holds the parameters (all f32) by name, their gradients and the optimizer's moments. One thread at a time.
// Every random choice depends only on (seed, step, micro-step), so a resumed run repeats bit by bit on the cpu.
class Trainer {
 public:
  virtual ~Trainer() = default;

  // Graphs of different batch shapes may share one trainer; parameters are matched by weight name. Every f32 weight is
  // a parameter unless `frozen` says no; a name seen first is initialised from Weight::data. Returns the loss. Inputs
  // are bound by name. Gradients are added with the factor `scale` (1 / accumulation steps).
  virtual float forward_backward(const Graph& graph, const std::map<std::string, Tensor>& inputs, float scale) = 0;
  // Evaluation mode, no gradient: the named outputs of the graph, f32 on the host.
  virtual std::map<std::string, Tensor> evaluate(const Graph& graph, const std::map<std::string, Tensor>& inputs) = 0;
  virtual void set_frozen(std::function<bool(std::string_view)> frozen) = 0;
  // Per-parameter learning-rate factor by name (default 1 everywhere).
  virtual void set_lr_factor(std::function<float(std::string_view)> factor) = 0;
  // Clips, applies AdamW with this learning rate, clears gradients; returns the gradient's norm before clipping.
  virtual float step(float learning_rate) = 0;

  virtual int64_t steps_done() const = 0;
  virtual std::vector<std::string> parameter_names() const = 0;
  virtual Tensor parameter(const std::string& name) const = 0;  // a copy, f32
  virtual void set_parameter(const std::string& name, const Tensor& value) = 0;
  virtual Tensor gradient(const std::string& name) const = 0;  // a copy, f32; zeros before the first backward
  // Everything an exact resume needs besides the parameters: moments and the step, by name ("NAME.m", "NAME.v").
  virtual std::map<std::string, Tensor> optimizer_state() const = 0;
  virtual void restore(const std::map<std::string, Tensor>& parameters, const std::map<std::string, Tensor>& state,
                       int64_t steps_done) = 0;
};

std::unique_ptr<Trainer> make_trainer(const TrainOptions& options);

}  // namespace galago::torch_backend
