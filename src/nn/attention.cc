#include "nn/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

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

void normalise_all_heads(const Scope& s, Heads& h, const AttentionConfig& c) {
  Graph& g = s.graph();
  auto norm = [&](std::string_view name, Value x) {
    Shape shape = g.shape(x);  // [B, T, heads, D]
    Value wide = reshape(g, x, {shape[0], shape[1], shape[2] * shape[3]});
    return reshape(g, rms_norm(s / name, wide, c.head_norm_eps), shape);
  };
  h.q = norm("q_norm", h.q);
  h.k = norm("k_norm", h.k);
}

void normalise_heads(const Scope& s, Heads& h, const AttentionConfig& c) {
  if (c.head_norm == HeadNorm::None) return;
  if (c.head_norm == HeadNorm::RmsAll) return normalise_all_heads(s, h, c);
  NormKind kind = c.head_norm == HeadNorm::Layer ? NormKind::Layer : NormKind::Rms;
  h.q = norm(s / "q_norm", h.q, kind, c.head_norm_eps);
  h.k = norm(s / "k_norm", h.k, kind, c.head_norm_eps);
}

Rotation rotation(const Scope& s, const AttentionConfig& c, const PositionInfo& at) {
  Value factors;
  if (!c.rope_factors.empty())
    factors = s.constant("rope_factors", Tensor::from({std::ssize(c.rope_factors)}, c.rope_factors));
  return {at.positions, c.rope, factors};
}

void rotate(const Scope& s, Heads& h, const AttentionConfig& c, const PositionInfo& at) {
  if (!c.rotary) return;
  Rotation r = rotation(s, c, at);
  h.q = rope(s.graph(), h.q, r.positions, r.rope, r.factors);
  h.k = rope(s.graph(), h.k, r.positions, r.rope, r.factors);
}

// Queries, keys and values as attention reads them.
Heads make_heads(const Scope& s, Value x, const AttentionConfig& c, const PositionInfo& at) {
  if (c.latent) {
    LatentHeads h = latent_heads(s, x, c.n_heads, *c.latent, rotation(s, c, at));
    return {h.q, h.k, h.v};
  }
  Heads h = project(s, x, c);
  normalise_heads(s, h, c);
  rotate(s, h, c, at);
  return h;
}

// -inf where query i of n may not see key j of the last n.
Value causal_mask(const Scope& s, int64_t n) {
  Tensor mask = Tensor::make(DType::F32, {n, n});
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      mask.f32()[static_cast<size_t>(i * n + j)] = j > i ? -std::numeric_limits<float>::infinity() : 0;
  return s.constant(fmt::format("causal_mask.{}", n), mask);
}

// Probabilities [H, b, K] of b queries [G, H / G, b, D] over keys [G, K, D], the last of which is the last query's own.
Value probabilities(Graph& g, Value queries, Value keys, Value mask) {
  Shape q = g.shape(queries);
  int64_t n = q[2], n_keys = g.shape(keys)[1];
  Value scores = matmul(g, reshape(g, queries, {q[0], q[1] * n, q[3]}), keys, true);  // [G, H / G * b, K]
  scores = reshape(g, scores, {q[0] * q[1], n, n_keys});
  return softmax(g, add(g, scores, pad(g, mask, {0, n_keys - n}, {0, 0})));
}

}  // namespace

Value received_attention(const Scope& s, Value x, const AttentionConfig& c, const PositionInfo& at, int64_t first,
                         int64_t n) {
  Graph& g = s.graph();
  constexpr int64_t kQueries = 64;  // at a time
  int64_t length = g.shape(x)[1], first_query = first + n, n_queries = length - first_query;
  if (g.shape(x)[0] != 1 || n_queries <= 0)
    throw invalid_input("attention on keys {} to {} of {}: no queries behind them", first, first_query, length);
  Heads h = make_heads(s, x, c, at);
  int64_t per_key = c.n_heads / c.n_kv_heads;
  Value keys = permute(g, reshape(g, h.k, {length, c.n_kv_heads, c.d_head}), {1, 0, 2});  // [G, T, D]
  Value queries = affine(g, slice(g, h.q, 1, first_query, length), score_scale(c));
  queries = reshape(g, queries, {n_queries, c.n_kv_heads, per_key, c.d_head});
  queries = permute(g, queries, {1, 2, 0, 3});  // [G, H / G, queries, D]
  Value total, mask;
  for (int64_t begin = 0; begin < n_queries; begin += kQueries) {
    int64_t end = std::min(begin + kQueries, n_queries);
    if (begin == 0 || end - begin < kQueries) mask = causal_mask(s, end - begin);
    Value p = probabilities(g, slice(g, queries, 2, begin, end), slice(g, keys, 1, 0, first_query + end), mask);
    p = sum(g, sum(g, slice(g, p, 2, first, first_query), 1), 0);  // [n]
    total = begin == 0 ? p : add(g, total, p);
  }
  return affine(g, total, 1.0f / static_cast<float>(n_queries * c.n_heads));
}

Value self_attention(const Scope& s, Value x, const AttentionConfig& c, const PositionInfo& at,
                     const LayerCache* cache) {
  Graph& g = s.graph();
  Heads h = make_heads(s, x, c, at);
  AttentionOptions options{.scale = score_scale(c), .causal = c.causal};
  if (cache) {
    h.k = kv_append(g, g.state(cache->key), h.k, at.past);
    h.v = kv_append(g, g.state(cache->value), h.v, at.past);
    options.past = at.past;
  }
  Value y = attention(g, h.q, h.k, h.v, options);  // [B, T, H, D]
  return linear(s / "proj", reshape(g, y, {g.shape(x)[0], g.shape(x)[1], c.n_heads * g.shape(y)[3]}));
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
