// Element-wise ops and reductions.
#include <cmath>

#include "base/error.h"
#include "torch/run.h"

namespace galago::torch_backend {

at::Tensor run_Add(const Call& call) { return at::add(call.in(0), call.in(1)); }
at::Tensor run_Sub(const Call& call) { return at::sub(call.in(0), call.in(1)); }
at::Tensor run_Mul(const Call& call) { return at::mul(call.in(0), call.in(1)); }
at::Tensor run_Div(const Call& call) { return at::div(call.in(0), call.in(1)); }

at::Tensor run_Affine(const Call& call) {
  const auto& a = call.attr<AffineAttrs>();
  at::Tensor scaled = a.scale == 1 ? call.in(0) : call.in(0) * a.scale;
  return a.bias == 0 ? scaled : scaled + a.bias;
}

at::Tensor apply_unary(UnaryKind kind, const at::Tensor& x) {
  switch (kind) {
    case UnaryKind::Neg:
      return x.neg();
    case UnaryKind::Abs:
      return x.abs();
    case UnaryKind::Square:
      return x.square();
    case UnaryKind::Sqrt:
      return x.sqrt();
    case UnaryKind::Rsqrt:
      return x.rsqrt();
    case UnaryKind::Exp:
      return x.exp();
    case UnaryKind::Log:
      return x.log();
    case UnaryKind::Sin:
      return x.sin();
    case UnaryKind::Cos:
      return x.cos();
    case UnaryKind::Sigmoid:
      return x.sigmoid();
    case UnaryKind::Tanh:
      return x.tanh();
    case UnaryKind::Relu:
      return x.relu();
    case UnaryKind::Relu6:
      return at::hardtanh(x, 0, 6);
    case UnaryKind::Silu:
      return at::silu(x);
    case UnaryKind::GeluErf:
      return at::gelu(x);
    case UnaryKind::GeluTanh:
      return at::gelu(x, "tanh");
    case UnaryKind::QuickGelu:
      return x * at::sigmoid(x * 1.702);
    case UnaryKind::Softplus:
      return at::softplus(x);
    case UnaryKind::Mish:
      return at::mish(x);
  }
  CHECK(false, "unary kind {}", static_cast<int>(kind));
}

at::Tensor run_Unary(const Call& call) { return apply_unary(call.attr<UnaryAttrs>().kind, call.in(0)); }
at::Tensor run_Glu(const Call& call) { return apply_unary(call.attr<UnaryAttrs>().kind, call.in(0)) * call.in(1); }
at::Tensor run_Where(const Call& call) { return at::where(call.in(0) != 0, call.f32(1), call.f32(2)); }

at::Tensor run_Clamp(const Call& call) {
  const auto& a = call.attr<ClampAttrs>();
  return at::clamp(call.in(0), a.low, a.high);
}

at::Tensor run_Sum(const Call& call) { return at::sum(call.f32(0), {call.attr<AxisAttrs>().axis}); }
at::Tensor run_Mean(const Call& call) { return at::mean(call.f32(0), {call.attr<AxisAttrs>().axis}); }
at::Tensor run_Max(const Call& call) { return std::get<0>(at::max(call.in(0), call.attr<AxisAttrs>().axis)); }
at::Tensor run_Argmax(const Call& call) { return at::argmax(call.f32(0), -1).to(at::kInt); }

at::Tensor run_TopK(const Call& call) {
  auto order = std::get<1>(at::sort(call.f32(0), /*stable=*/true, -1, /*descending=*/true));  // first of equals first
  return at::narrow(order, -1, 0, call.attr<TopKAttrs>().k).to(at::kInt);
}

at::Tensor run_Softmax(const Call& call) { return at::softmax(call.f32(0), call.attr<AxisAttrs>().axis); }

at::Tensor run_Dropout(const Call& call) {
  double p = call.attr<DropoutAttrs>().p;
  at::Tensor x = call.in(0);
  if (!call.run.training || p == 0) return x;
  at::Tensor kept = at::empty_like(x).bernoulli_(1 - p, call.run.random).div_(1 - p);
  return x * kept;
}

}  // namespace galago::torch_backend
