// Normalisations.
#include "torch/fused.h"
#include "torch/run.h"

namespace galago::torch_backend {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

// y = x r gain with r = 1 / sqrt(mean(x^2) + eps), which libtorch 1.13 lacks. One node of the tape, because the tape of
// the composition keeps four tensors of x's size.
// Backward, with u = x r and g = dy gain:  dx = r (g - u mean(g u)),  dgain = sum over rows of dy u.
struct RmsNormFunction : torch::autograd::Function<RmsNormFunction> {
  static Variable forward(AutogradContext* tape, const Variable& given, const Variable& gain, double eps,
                          at::ScalarType type) {
    at::Tensor x = given.contiguous(), r, y;
    if (x.is_cpu()) {
      r = at::empty({x.numel() / gain.numel()}, x.options());
      y = at::empty(x.sizes(), x.options().dtype(type));
      rms_norm_forward(x, gain.contiguous(), static_cast<float>(eps), r, y);
    } else {
      r = at::rsqrt_(x.square().mean({-1}, /*keepdim=*/true).add_(eps));
      y = (x * r).mul_(gain).to(type);
    }
    tape->save_for_backward({x, gain, r});
    return y;
  }
  static variable_list backward(AutogradContext* tape, variable_list dy) {
    auto saved = tape->get_saved_variables();
    const at::Tensor &x = saved[0], &gain = saved[1], &r = saved[2];
    if (x.is_cpu()) {
      auto [dx, dgain] = rms_norm_backward(x, gain.contiguous(), r, dy[0].contiguous());
      return {dx, dgain, Variable(), Variable()};
    }
    at::Tensor d = dy[0].to(at::kFloat), u = x * r, g = d * gain;
    at::Tensor dgain = (d * u).reshape({-1, gain.size(0)}).sum({0});
    at::Tensor projection = (g * u).mean({-1}, true);
    return {g.sub_(u.mul_(projection)).mul_(r), dgain, Variable(), Variable()};
  }
};

}  // namespace

at::Tensor run_LayerNorm(const Call& call) {
  return at::layer_norm(call.f32(0), {call.node.shape.last()}, call.f32_or_none(1), call.f32_or_none(2),
                        call.attr<NormAttrs>().eps);
}

at::Tensor run_RmsNorm(const Call& call) {
  at::ScalarType type = call.only_products_read_it() ? at::kBFloat16 : at::kFloat;
  return RmsNormFunction::apply(call.f32(0), call.f32(1), static_cast<double>(call.attr<NormAttrs>().eps), type);
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
