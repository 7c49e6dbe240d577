#include "torch/optimizer.h"

#include <cmath>

namespace galago::torch_backend {
namespace {

// g = scale * gradient;  m += (1 - beta1) (g - m);  v = beta2 v + (1 - beta2) g^2
// p = (1 - lr decay) p - lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)
struct Coefficients {
  float gradient_scale, beta1, beta2, eps, keep, step_size, root_correction;
};

Coefficients coefficients(const Parameter& p, const AdamWOptions& o, float learning_rate, float gradient_scale) {
  double lr = static_cast<double>(learning_rate) * p.lr_factor;
  double t = static_cast<double>(p.steps);
  double decay = p.value.dim() >= 2 ? o.weight_decay : 0.0;
  return {gradient_scale,
          o.beta1,
          o.beta2,
          o.eps,
          static_cast<float>(1 - lr * decay),
          static_cast<float>(lr / (1 - std::pow(static_cast<double>(o.beta1), t))),
          static_cast<float>(1 / std::sqrt(1 - std::pow(static_cast<double>(o.beta2), t)))};
}

// One pass over memory instead of the ten of separate tensor ops.
void update_on_cpu(Parameter& p, const at::Tensor& gradient, const Coefficients& c) {
  float *value = p.value.data_ptr<float>(), *m = p.m.data_ptr<float>(), *v = p.v.data_ptr<float>();
  const float* g = gradient.data_ptr<float>();
  at::parallel_for(0, p.value.numel(), 1 << 15, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float gi = g[i] * c.gradient_scale;
      m[i] += (1 - c.beta1) * (gi - m[i]);
      v[i] = c.beta2 * v[i] + (1 - c.beta2) * gi * gi;
      value[i] = c.keep * value[i] - c.step_size * m[i] / (std::sqrt(v[i]) * c.root_correction + c.eps);
    }
  });
}

void update_on_device(Parameter& p, const at::Tensor& gradient, const Coefficients& c) {
  at::Tensor g = gradient * c.gradient_scale;
  p.m.lerp_(g, 1 - c.beta1);
  p.v.mul_(c.beta2).addcmul_(g, g, 1 - c.beta2);
  p.value.mul_(c.keep).addcdiv_(p.m, p.v.sqrt().mul_(c.root_correction).add_(c.eps), -c.step_size);
}

}  // namespace

double gradient_norm(std::span<Parameter* const> parameters) {
  std::vector<at::Tensor> norms;
  for (const Parameter* p : parameters)
    if (at::Tensor g = p->grad(); g.defined()) norms.push_back(g.norm());
  return norms.empty() ? 0 : at::stack(norms).to(at::kDouble).norm().item<double>();
}

void adamw_step(std::span<Parameter* const> parameters, const AdamWOptions& options, float learning_rate,
                float gradient_scale) {
  at::NoGradGuard no_grad;
  for (Parameter* p : parameters) {
    at::Tensor gradient = p->grad();
    if (!gradient.defined()) continue;
    if (!p->m.defined()) p->m = at::zeros_like(p->value), p->v = at::zeros_like(p->value);
    ++p->steps;
    Coefficients c = coefficients(*p, options, learning_rate, gradient_scale);
    if (p->value.is_cpu())
      update_on_cpu(*p, gradient.contiguous(), c);
    else
      update_on_device(*p, gradient, c);
  }
}

}  // namespace galago::torch_backend
