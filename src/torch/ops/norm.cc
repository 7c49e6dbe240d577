// Normalisations.

#include "torch/run.h"

namespace galago::torch_backend {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// y = x r gain with r = 1 / sqrt(mean(x^2) + eps), which libtorch 1.13 lacks. Written as one node of the tape because
// the tape of the composition keeps four tensors of x's size. Backward, with u = x r and g = dy gain:  dx = r (g - u
// mean(g u)),  dgain = sum over rows of dy u.
struct RmsNormFunction : torch::autograd::Function<RmsNormFunction> {
  static Variable forward(AutogradContext* tape, const Variable& x, const Variable& gain, double eps) {
    at::Tensor r = at::rsqrt_(x.square().mean({-1}, /*keepdim=*/true).add_(eps));
    tape->save_for_backward({x, gain, r});
    return (x * r).mul_(gain);
  }
  static variable_list backward(AutogradContext* tape, variable_list dy) {
    auto saved = tape->get_saved_variables();
    const at::Tensor &x = saved[0], &gain = saved[1], &r = saved[2];
    at::Tensor u = x * r, g = dy[0] * gain;
    at::Tensor dgain = (dy[0] * u).reshape({-1, gain.size(0)}).sum({0});
    at::Tensor projection = (g * u).mean({-1}, true);
    return {g.sub_(u.mul_(projection)).mul_(r), dgain, Variable()};
  }
};

}  // namespace

at::Tensor run_LayerNorm(const Call& call) {
  return at::layer_norm(call.f32(0), {call.node.shape.last()}, call.f32_or_none(1), call.f32_or_none(2),
                        call.attr<NormAttrs>().eps);
}

at::Tensor run_RmsNorm(const Call& call) {
  return RmsNormFunction::apply(call.f32(0), call.f32(1), static_cast<double>(call.attr<NormAttrs>().eps));
}

at::Tensor run_GroupNorm(const Call& call) {
  const auto& a = call.attr<NormAttrs>();
  return at::group_norm(call.f32(0), a.groups, call.f32(1), call.f32(2), a.eps);
}

at::Tensor run_BatchNorm(const Call& call) {  // inputs: x, gain, bias, mean, var; the statistics are constants
  return at::batch_norm(call.f32(0), call.f32(1), call.f32(2), call.f32(3).detach(), call.f32(4).detach(),
                        /*training=*/false, /*momentum=*/0, call.attr<NormAttrs>().eps, /*cudnn_enabled=*/false);
}

}  // namespace galago::torch_backend
