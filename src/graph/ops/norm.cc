// Shape rules of the normalisations.
#include "graph/ops/rule.h"

namespace galago {
using namespace rule;
namespace {

void require_channels(const Graph& g, Op op, Value x, std::initializer_list<Value> per_channel) {
  require_f32(g, op, x, "x");
  require(g.shape(x).rank() >= 2, op, "x is [{}], expected [N, C, ...]", g.shape(x).to_string());
  for (Value v : per_channel) require_shape(g, op, v, Shape{g.shape(x)[1]}, "a value per channel");
}

}  // namespace

Value layer_norm(Graph& g, Value x, Value gain, Value bias, float eps) {
  require_f32(g, Op::LayerNorm, x, "x");
  require(g.shape(x).rank() >= 1 && g.shape(x).last() > 0, Op::LayerNorm, "x is [{}]", g.shape(x).to_string());
  require(gain.valid() || !bias.valid(), Op::LayerNorm, "a bias needs a gain");
  std::vector<Value> inputs = {x};
  for (Value v : {gain, bias}) {
    if (v.valid()) require_shape(g, Op::LayerNorm, v, Shape{g.shape(x).last()}, "gain or bias");
    inputs = with_optional(std::move(inputs), v);
  }
  return append(g, Op::LayerNorm, std::move(inputs), g.shape(x), NormAttrs{eps, 1});
}

Value rms_norm(Graph& g, Value x, Value gain, float eps) {
  require_f32(g, Op::RmsNorm, x, "x");
  require(g.shape(x).rank() >= 1 && g.shape(x).last() > 0, Op::RmsNorm, "x is [{}]", g.shape(x).to_string());
  require_shape(g, Op::RmsNorm, gain, Shape{g.shape(x).last()}, "gain");
  return append(g, Op::RmsNorm, {x, gain}, g.shape(x), NormAttrs{eps, 1});
}

Value group_norm(Graph& g, Value x, Value gain, Value bias, int groups, float eps) {
  require_channels(g, Op::GroupNorm, x, {gain, bias});
  require(groups > 0 && g.shape(x)[1] % groups == 0, Op::GroupNorm, "{} channels in {} groups", g.shape(x)[1], groups);
  return append(g, Op::GroupNorm, {x, gain, bias}, g.shape(x), NormAttrs{eps, groups});
}

Value batch_norm(Graph& g, Value x, Value gain, Value bias, Value mean, Value var, float eps) {
  require_channels(g, Op::BatchNorm, x, {gain, bias, mean, var});
  return append(g, Op::BatchNorm, {x, gain, bias, mean, var}, g.shape(x), NormAttrs{eps, 1});
}

}  // namespace galago
