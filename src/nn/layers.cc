#include "nn/layers.h"

#include <cmath>

#include "base/error.h"

namespace galago {

Value linear(const Scope& s, Value x) { return linear(s.graph(), x, s.weight("weight"), s.optional("bias")); }

Value layer_norm(const Scope& s, Value x, float eps) {
  return layer_norm(s.graph(), x, s.weight("weight"), s.optional("bias"), eps);
}

Value rms_norm(const Scope& s, Value x, float eps) { return rms_norm(s.graph(), x, s.weight("weight"), eps); }

Value norm(const Scope& s, Value x, NormKind kind, float eps) {
  return kind == NormKind::Layer ? layer_norm(s, x, eps) : rms_norm(s, x, eps);
}

Value patch_embed(const Scope& s, Value pixels, int patch) {
  Graph& g = s.graph();
  Value x = conv2d(g, pixels, s.weight("weight"), s.optional("bias"), {.stride = patch});  // [N, d, H/p, W/p]
  Shape shape = g.shape(x);
  x = reshape(g, x, {shape[0], shape[1], shape[2] * shape[3]});
  return permute(g, x, {0, 2, 1});
}

Value mlp(const Scope& s, Value x, const MlpOptions& options) {
  Graph& g = s.graph();
  if (!options.gated) return linear(s / "fc2", unary(g, linear(s / "fc1", x), options.activation));
  Value gate = linear(s / "gate", x);
  Value up = linear(s / "up", x);
  return linear(s / "down", glu(g, gate, up, options.activation));
}

Value pixel_shuffle(Graph& g, Value tokens, int factor) {
  Shape shape = g.shape(tokens);
  int64_t n = shape[0], c = shape[2], f = factor;
  int64_t side = std::lround(std::sqrt(static_cast<double>(shape[1])));
  if (side * side != shape[1] || factor < 1 || side % factor != 0)
    throw invalid_input("pixel shuffle by {} of {} tokens: not a square grid whose side it divides", factor, shape[1]);
  int64_t out = side / f;
  Value x = reshape(g, tokens, {n, out, f, out, f * c});  // (i, a, j, (b, channel))
  x = permute(g, x, {0, 1, 3, 2, 4});                     // (i, j, a, (b, channel))
  return reshape(g, x, {n, out * out, f * f * c});
}

}  // namespace galago
