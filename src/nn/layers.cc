#include "nn/layers.h"

#include <cmath>

#include "base/error.h"

namespace galago {
namespace {

// y + plora_b plora_a x on the rows that hold pictures.
Value add_partial_lora(const Scope& s, Value x, Value y) {
  Graph& g = s.graph();
  int64_t n = g.shape(x).rows(), k = g.shape(x).last(), n_out = g.shape(y).last();
  Shape shape = g.shape(y);
  Value rows = gather(g, reshape(g, x, {n, k}), s.picture_rows());  // [pictures, k]
  Value low = linear(g, linear(g, rows, s.weight("plora_a")), s.weight("plora_b"));
  y = reshape(g, y, {n, n_out});
  Value sum = add(g, gather(g, y, s.picture_rows()), low);
  return reshape(g, scatter(g, y, sum, s.picture_rows()), shape);
}

Value experts(const Scope& s, Value x, const MlpOptions& o) {
  Graph& g = s.graph();
  Shape shape = g.shape(x);
  int64_t n = shape.rows(), d = shape.last(), used = o.n_experts_used;
  x = reshape(g, x, {n, d});
  Value p = softmax(g, linear(s / "router", x));  // [n, E]
  Value expert = top_k(g, p, o.n_experts_used);   // i32 [n, used]
  // p of the chosen ones: rows of a [n * E, 1] table at token * E + expert.
  Value table = reshape(g, p, {n * o.n_experts, 1});
  Tensor offsets = Tensor::make(DType::F32, {n, 1});
  for (int64_t i = 0; i < n; ++i) offsets.f32()[static_cast<size_t>(i)] = static_cast<float>(i * o.n_experts);
  Value at = cast(g, add(g, cast(g, expert, DType::F32), s.constant("token_offsets", offsets)), DType::I32);
  Value weight = gather(g, table, at);                                // [n, used, 1]
  weight = div(g, weight, reshape(g, sum(g, weight, 1), {n, 1, 1}));  // sums to 1
  Value one = reshape(g, x, {n, 1, d});
  Value gate = expert_linear(g, one, (s / "gate").weight("weight"), expert);  // [n, used, d_ffn]
  Value up = expert_linear(g, one, (s / "up").weight("weight"), expert);
  Value down = expert_linear(g, glu(g, gate, up, o.activation), (s / "down").weight("weight"), expert);
  CHECK(g.shape(down) == Shape({n, used, d}));
  return reshape(g, sum(g, mul(g, down, weight), 1), shape);
}

}  // namespace

Value linear(const Scope& s, Value x) {
  Graph& g = s.graph();
  Value y = linear(g, x, s.weight("weight"), s.optional("bias"));
  if (s.has("lora_a")) y = add(g, y, linear(g, linear(g, x, s.weight("lora_a")), s.weight("lora_b")));
  return s.picture_rows().valid() && s.has("plora_a") ? add_partial_lora(s, x, y) : y;
}

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
  if (options.n_experts > 0) return experts(s, x, options);
  if (!options.gated) return linear(s / "fc2", unary(g, linear(s / "fc1", x), options.activation));
  Value gate = linear(s / "gate", x);
  Value up = linear(s / "up", x);
  return linear(s / "down", glu(g, gate, up, options.activation));
}

Value pixel_shuffle(Graph& g, Value tokens, int factor, bool by_columns) {
  Shape shape = g.shape(tokens);
  int64_t n = shape[0], c = shape[2], f = factor;
  int64_t side = std::lround(std::sqrt(static_cast<double>(shape[1])));
  if (side * side != shape[1] || factor < 1 || side % factor != 0)
    throw invalid_input("pixel shuffle by {} of {} tokens: not a square grid whose side it divides", factor, shape[1]);
  int64_t out = side / f;
  Value x = reshape(g, tokens, {n, out, f, out, f * c});  // (i, a, j, (b, channel))
  x = permute(g, x, by_columns ? std::vector<int>{0, 3, 1, 2, 4} : std::vector<int>{0, 1, 3, 2, 4});  // (i, j, a, ...)
  return reshape(g, x, {n, out * out, f * f * c});
}

}  // namespace galago
