// AdamW with decoupled weight decay (Loshchilov & Hutter 2019) and clipping of the global gradient norm.
// Private to src/torch.
#pragma once

#include <span>

#include "torch/libtorch.h"
#include "torch/trainer_program.h"

namespace galago::torch_backend {

struct Parameter {
  at::Tensor value;   // f32, a leaf of the tape
  at::Tensor m, v;    // moments; undefined until the first step with a gradient
  int64_t steps = 0;  // updates so far, for the bias correction: frozen parameters start later
  bool frozen = false;
  float lr_factor = 1;

  at::Tensor grad() const { return frozen ? at::Tensor() : value.grad(); }
};

// The Euclidean norm of all gradients together. Parameters without a gradient count as zero.
double gradient_norm(std::span<Parameter* const> parameters);

// One AdamW update with gradients times `gradient_scale`; parameters without a gradient stay as they are.
void adamw_step(std::span<Parameter* const> parameters, const AdamWOptions& options, float learning_rate,
                float gradient_scale);

}  // namespace galago::torch_backend
