// Attention, rotary positions and the key/value cache.

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "torch/fused.h"
#include "torch/run.h"

namespace galago::torch_backend {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Variable;
using torch::autograd::variable_list;

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

int64_t read_past(const Call& call, size_t input, int64_t queries, int64_t keys) {
  int64_t past = call.in(input).to(at::kCPU).item<int32_t>();
  if (past < 0 || past + queries > keys)
    throw invalid_input("{}: {} rows at position {} of a cache of {}", info(call.node.op).name, queries, past, keys);
  return past;
}

// [queries, keys], 1 where query t may see key s.
at::Tensor visible_keys(const Run::CausalMask& m, at::Device device) {
  auto options = at::TensorOptions().dtype(at::kLong).device(device);
  at::Tensor newest = at::arange(m.queries, options).unsqueeze(1) + m.past;
  if (!m.causal) newest = at::full({m.queries, 1}, m.keys - 1, options);
  at::Tensor key = at::arange(m.keys, options).unsqueeze(0);
  at::Tensor visible = key <= newest;
  return m.window > 0 ? visible.logical_and(key > newest - m.window) : visible;
}

// A row that sees nothing gets all zeros here, so that no NaN arises, and its output is multiplied by zero later.
void make_additive(Run::CausalMask& m, at::Device device) {
  at::Tensor visible = visible_keys(m, device);
  at::Tensor any = visible.any(1, /*keepdim=*/true);
  auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  m.additive = at::zeros({m.queries, m.keys}, options)
                   .masked_fill_(visible.logical_or(~any).logical_not(), kMinusInfinity)
                   .to(m.type);
  if (!any.all().item<bool>()) m.sees_any = any.to(m.type).reshape({1, m.queries, 1, 1});
}

const Run::CausalMask& causal_mask(Run& run, const Run::CausalMask& wanted) {
  for (const auto& m : run.masks)
    if (m.queries == wanted.queries && m.keys == wanted.keys && m.past == wanted.past && m.window == wanted.window &&
        m.causal == wanted.causal && m.type == wanted.type)
      return m;
  run.masks.push_back(wanted);
  make_additive(run.masks.back(), run.device);
  return run.masks.back();
}

struct Mask {
  at::Tensor additive;  // broadcasts to [B, 1, 1, T, S]; undefined if every query sees every key
  at::Tensor sees_any;  // [B or 1, T, 1, 1]; undefined if every query sees a key
};

Mask user_mask(const Mask& causal, at::Tensor mask, const at::Tensor& additive) {  // mask [T, S] or [B, T, S]
  mask = mask.dim() == 3 ? mask : mask.unsqueeze(0);
  if (additive.defined()) mask = mask + additive.to(at::kFloat);
  at::Tensor blind = (mask == kMinusInfinity).all(-1, /*keepdim=*/true);  // [B or 1, T, 1]
  Mask out;
  out.sees_any = causal.sees_any;
  if (blind.any().item<bool>()) {
    mask = mask.masked_fill(blind, 0);
    at::Tensor sees = blind.logical_not().to(at::kFloat).unsqueeze(-1);
    out.sees_any = causal.sees_any.defined() ? causal.sees_any * sees : sees;
  }
  out.additive = mask.reshape({mask.size(0), 1, 1, mask.size(1), mask.size(2)});
  return out;
}

Mask attention_mask(const Call& call, int64_t queries, int64_t keys, int64_t past, at::ScalarType type) {
  const auto& a = call.attr<AttentionAttrs>();
  Mask mask;
  at::Tensor additive;
  bool window_matters = a.window > 0 && a.window < keys;
  if (a.causal ? queries > 1 || window_matters || past + 1 < keys : window_matters) {
    const auto& causal = causal_mask(call.run, {queries, keys, past, a.window, a.causal, type, {}, {}});
    additive = causal.additive;
    mask = {additive.reshape({1, 1, 1, queries, keys}), causal.sees_any};
  }
  if (!a.has_mask) return mask;
  return user_mask(mask, call.f32(a.has_past ? 4 : 3).narrow(-1, 0, keys), additive);
}

// [B, S, G, D] -> [B G, S, D]
at::Tensor heads_first(const at::Tensor& x) {
  return x.permute({0, 2, 1, 3}).reshape({x.size(0) * x.size(2), x.size(1), x.size(3)});
}

// Turns the first n_rot channels of x [B, T, H, D] by the angles: cosines and sines are [T, 1, n_rot / 2] or
// [B, T, 1, n_rot / 2]. One node of the tape; its gradient is the turn back.
at::Tensor turn(const at::Tensor& given, const at::Tensor& cosines, const at::Tensor& sines, bool pairs, bool back) {
  at::Tensor x = given.contiguous();
  if (x.is_cpu()) return turn_channels(x, cosines, sines, pairs, back);
  int64_t half = cosines.size(-1);
  at::Tensor out = x.clone();
  auto part = [&](const at::Tensor& t, int64_t which) {
    return pairs ? at::slice(t, -1, which, 2 * half, 2) : at::slice(t, -1, which * half, (which + 1) * half);
  };
  at::Tensor x0 = part(x, 0).to(at::kFloat), x1 = part(x, 1).to(at::kFloat);
  part(out, 0).copy_((x0 * cosines).addcmul_(x1, sines, back ? 1 : -1));
  part(out, 1).copy_((x1 * cosines).addcmul_(x0, sines, back ? -1 : 1));
  return out;
}

struct RopeFunction : torch::autograd::Function<RopeFunction> {
  static Variable forward(AutogradContext* tape, const Variable& x, const Variable& cosines, const Variable& sines,
                          bool pairs) {
    tape->save_for_backward({cosines, sines});
    tape->saved_data["pairs"] = pairs;
    return turn(x, cosines, sines, pairs, false);
  }
  static variable_list backward(AutogradContext* tape, variable_list dy) {
    auto saved = tape->get_saved_variables();
    return {turn(dy[0], saved[0], saved[1], tape->saved_data["pairs"].toBool(), true), Variable(), Variable(),
            Variable()};
  }
};

Run::Angles make_angles(const Call& call) {
  const auto& a = call.attr<RopeAttrs>();
  at::NoGradGuard no_grad;
  auto f64 = at::TensorOptions().dtype(at::kDouble);
  at::Tensor inv_freq = at::pow(static_cast<double>(a.base), at::arange(0, a.n_rot, 2, f64) * (-1.0 / a.n_rot));
  if (call.has(2)) inv_freq = inv_freq / call.f32(2).to(at::kCPU).to(at::kDouble);
  inv_freq = inv_freq.to(at::kFloat).to(call.run.device);
  at::Tensor positions = call.f32(1);                                     // [T] or [B, T]
  at::Tensor angle = (positions.unsqueeze(-1) * inv_freq).unsqueeze(-2);  // [..., 1, n_rot / 2]
  Value factors = call.has(2) ? call.node.inputs[2] : Value{};
  return {call.node.inputs[1], factors, a.base, a.scale, a.n_rot, angle.cos() * a.scale, angle.sin() * a.scale};
}

const Run::Angles& angles_of(const Call& call) {
  const auto& a = call.attr<RopeAttrs>();
  Value factors = call.has(2) ? call.node.inputs[2] : Value{};
  for (const auto& known : call.run.angles)
    if (known.positions.id == call.node.inputs[1].id && known.factors.id == factors.id && known.base == a.base &&
        known.n_rot == a.n_rot && known.scale == a.scale)
      return known;
  call.run.angles.push_back(make_angles(call));
  return call.run.angles.back();
}

}  // namespace

// Query heads that share a key head become more rows of one product: no copy of keys or values.
at::Tensor run_Attention(const Call& call) {
  const auto& a = call.attr<AttentionAttrs>();
  at::Tensor q = call.operand(0), k = call.operand(1), v = call.operand(2);
  const int64_t B = q.size(0), T = q.size(1), H = q.size(2), D = q.size(3), G = k.size(2), R = H / G;
  int64_t S = k.size(1), past = S - T;
  if (q.numel() == 0 || v.numel() == 0) return at::zeros(sizes(call.node.shape), q.options());
  if (a.has_past) {
    past = read_past(call, 3, T, S);
    S = past + T;
    k = k.narrow(1, 0, S);
    v = v.narrow(1, 0, S);
  }
  Mask mask = attention_mask(call, T, S, past, q.scalar_type());

  if (a.scale != 1) q = q * a.scale;
  q = q.reshape({B, T, G, R, D}).permute({0, 2, 3, 1, 4}).reshape({B * G, R * T, D});
  at::Tensor scores = at::bmm(q, heads_first(k).transpose(1, 2));  // [B G, R T, S]
  if (mask.additive.defined()) scores = (scores.view({B, G, R, T, S}) + mask.additive).view({B * G, R * T, S});
  at::Tensor weights = at::softmax(scores, -1).to(q.scalar_type());  // summed in f32 inside, also for bf16 scores
  at::Tensor out = at::bmm(weights, heads_first(v));                 // [B G, R T, Dv]
  out = out.view({B, G, R, T, -1}).permute({0, 3, 1, 2, 4}).reshape(sizes(call.node.shape));
  return mask.sees_any.defined() ? out * mask.sees_any.to(out.scalar_type()) : out;
}

at::Tensor run_Rope(const Call& call) {
  at::Tensor x = call.in(0);
  const auto& a = call.attr<RopeAttrs>();
  if (a.n_rot == 0 || x.numel() == 0) return x;
  const auto& angles = angles_of(call);
  return RopeFunction::apply(x, angles.cosines, angles.sines, a.layout == RopeLayout::Pairs);
}

// Encodes rows [B, T, ...] into the session's memory and gives back what they are after that.
static at::Tensor through_blocks(const at::Tensor& rows, const Tensor& state, int64_t past) {
  at::Tensor host = rows.detach().to(at::kCPU, at::kFloat).contiguous().clone();
  const DTypeInfo& format = info(state.dtype());
  const int64_t batch = host.size(0), n = host.numel() / batch;
  const int64_t width = n / host.size(1), all = state.elements() / batch;  // values of a token, of a batch's cache
  for (int64_t b = 0; b < batch; ++b) {
    float* values = host.data_ptr<float>() + b * n;
    std::byte* to = state.bytes() + row_bytes(state.dtype(), b * all + past * width);
    format.encode(values, to, n, nullptr);
    format.decode(to, values, n);
  }
  return host.to(rows.device());
}

at::Tensor run_KvAppend(const Call& call) {
  const Node& leaf = call.run.graph.node(call.node.inputs[0]);
  at::Tensor state = call.run.values[call.node.inputs[0].id];  // as stored: the session's own memory; or a copy of Q8_0
  at::Tensor rows = call.in(1);
  int64_t past = read_past(call, 2, rows.size(1), state.size(1));
  if (rows.numel() == 0) return state;
  if (info(leaf.dtype).quantized()) rows = through_blocks(rows, leaf.state->data, past);
  state.narrow(1, past, rows.size(1)).copy_(rows);
  return state;
}

}  // namespace galago::torch_backend
