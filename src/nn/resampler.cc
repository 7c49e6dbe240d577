#include "nn/resampler.h"

#include "nn/positions.h"

namespace galago {

Value resampler(const Scope& s, Value x, int64_t h, int64_t w, const ResamplerConfig& c) {
  Graph& g = s.graph();
  AttentionConfig attention{.n_heads = c.n_heads, .n_kv_heads = c.n_heads, .d_head = c.d_model / c.n_heads};
  Value values = layer_norm(s / "ln_kv", linear(s / "kv", x), c.eps);  // [N, h w, E]
  Value keys = add(g, values, s.constant("positions", sincos_positions(h, w, c.d_model)));
  Value queries = layer_norm(s / "ln_q", s.weight("query"), c.eps);  // [Q, E]
  if (s.has("pos_q")) queries = add(g, queries, s.weight("pos_q"));
  Value y = cross_attention(s / "attn", queries, keys, values, attention);
  return s.named(linear(s / "proj", layer_norm(s / "ln_post", y, c.eps)), "out");
}

}  // namespace galago
