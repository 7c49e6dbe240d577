#include "nn/attention.h"

#include <cmath>

namespace galago {
namespace {

float score_scale(const AttentionConfig& c) {
  return c.scale != 0 ? c.scale : 1.0f / std::sqrt(static_cast<float>(c.d_head));
}

struct Heads {
  Value q, k, v;  // [B, T, heads, D]
};

// One packed matrix, or three.
Heads project(const Scope& s, Value x, const AttentionConfig& c) {
  Graph& g = s.graph();
  Shape in = g.shape(x);  // [B, T, d]
  auto heads = [&](Value y, int n) { return reshape(g, y, {in[0], in[1], n, c.d_head}); };
  if (!s.has("qkv.weight"))
    return {heads(linear(s / "q", x), c.n_heads), heads(linear(s / "k", x), c.n_kv_heads),
            heads(linear(s / "v", x), c.n_kv_heads)};
  int64_t q_width = c.n_heads * c.d_head, kv_width = c.n_kv_heads * c.d_head;
  Value qkv = linear(s / "qkv", x);  // [B, T, q + k + v]
  auto part = [&](int64_t begin, int64_t width) { return slice(g, qkv, 2, begin, begin + width); };
  return {heads(part(0, q_width), c.n_heads), heads(part(q_width, kv_width), c.n_kv_heads),
          heads(part(q_width + kv_width, kv_width), c.n_kv_heads)};
}

void normalise_heads(const Scope& s, Heads& h, const AttentionConfig& c) {
  if (c.head_norm == HeadNorm::None) return;
  NormKind kind = c.head_norm == HeadNorm::Layer ? NormKind::Layer : NormKind::Rms;
  h.q = norm(s / "q_norm", h.q, kind, c.head_norm_eps);
  h.k = norm(s / "k_norm", h.k, kind, c.head_norm_eps);
}

void rotate(const Scope& s, Heads& h, const AttentionConfig& c, const PositionInfo& at) {
  if (!c.rotary) return;
  Value factors;
  if (!c.rope_factors.empty())
    factors = s.constant("rope_factors", Tensor::from({std::ssize(c.rope_factors)}, c.rope_factors));
  h.q = rope(s.graph(), h.q, at.positions, c.rope, factors);
  h.k = rope(s.graph(), h.k, at.positions, c.rope, factors);
}

}  // namespace

Value self_attention(const Scope& s, Value x, const AttentionConfig& c, const PositionInfo& at,
                     const LayerCache* cache) {
  Graph& g = s.graph();
  Heads h = project(s, x, c);
  normalise_heads(s, h, c);
  rotate(s, h, c, at);
  AttentionOptions options{.scale = score_scale(c), .causal = c.causal};
  if (cache) {
    h.k = kv_append(g, g.state(cache->key), h.k, at.past);
    h.v = kv_append(g, g.state(cache->value), h.v, at.past);
    options.past = at.past;
  }
  Value y = attention(g, h.q, h.k, h.v, options);  // [B, T, H, D]
  return linear(s / "proj", reshape(g, y, {g.shape(x)[0], g.shape(x)[1], c.n_heads * c.d_head}));
}

Value cross_attention(const Scope& s, Value x, Value keys, Value values, const AttentionConfig& c) {
  Graph& g = s.graph();
  int64_t batch = g.shape(keys)[0], n_keys = g.shape(keys)[1];
  int64_t n_queries = g.shape(x)[-2], width = c.n_heads * c.d_head;
  Value q = linear(s / "q", x);
  if (g.shape(x).rank() == 2) q = expand(g, reshape(g, q, {1, n_queries, width}), {batch, n_queries, width});
  q = reshape(g, q, {batch, n_queries, c.n_heads, c.d_head});
  Value k = reshape(g, linear(s / "k", keys), {batch, n_keys, c.n_heads, c.d_head});
  Value v = reshape(g, linear(s / "v", values), {batch, n_keys, c.n_heads, c.d_head});
  Value y = attention(g, q, k, v, {.scale = score_scale(c)});
  return linear(s / "proj", reshape(g, y, {batch, n_queries, width}));
}

}  // namespace galago
