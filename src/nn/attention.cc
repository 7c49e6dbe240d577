#include "nn/attention.h"

#include <cmath>

namespace galago {

Value self_attention(const Scope& s, Value x, const AttentionConfig& c, const PositionInfo& at,
                     const LayerCache* cache) {
  Graph& g = s.graph();
  Shape in = g.shape(x);  // [B, T, d]
  int64_t q_width = c.n_heads * c.d_head, kv_width = c.n_kv_heads * c.d_head;
  Value qkv = linear(s / "qkv", x);  // [B, T, q + k + v]
  auto heads = [&](int64_t begin, int64_t width, int n) {
    return reshape(g, slice(g, qkv, 2, begin, begin + width), {in[0], in[1], n, c.d_head});
  };
  Value q = heads(0, q_width, c.n_heads);
  Value k = heads(q_width, kv_width, c.n_kv_heads);
  Value v = heads(q_width + kv_width, kv_width, c.n_kv_heads);
  if (c.rotary) {
    q = rope(g, q, at.positions, c.rope);
    k = rope(g, k, at.positions, c.rope);
  }
  AttentionOptions options{.scale = c.scale != 0 ? c.scale : 1.0f / std::sqrt(static_cast<float>(c.d_head)),
                           .causal = c.causal};
  if (cache) {
    k = kv_append(g, g.state(cache->key), k, at.past);
    v = kv_append(g, g.state(cache->value), v, at.past);
    options.past = at.past;
  }
  Value y = attention(g, q, k, v, options);  // [B, T, H, D]
  return linear(s / "proj", reshape(g, y, {in[0], in[1], q_width}));
}

}  // namespace galago
