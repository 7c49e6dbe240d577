#include "nn/qformer.h"

namespace galago {
namespace {

Value block(const Scope& s, Value x, Value picture, bool crosses, const QFormerConfig& c) {
  Graph& g = s.graph();
  AttentionConfig attention{.n_heads = c.n_heads, .n_kv_heads = c.n_heads, .d_head = c.d_model / c.n_heads};
  Value y = self_attention(s / "attn", x, attention);
  x = layer_norm(s / "attn_norm", add(g, y, x), c.eps);
  if (crosses) {
    y = cross_attention(s / "cross", x, picture, picture, attention);
    x = layer_norm(s / "cross_norm", add(g, y, x), c.eps);
  }
  y = mlp(s / "mlp", x, {.activation = UnaryKind::GeluErf});
  return s.named(layer_norm(s / "mlp_norm", add(g, y, x), c.eps), "out");
}

}  // namespace

Value qformer(const Scope& s, Value picture, const QFormerConfig& c) {
  Graph& g = s.graph();
  Value x = layer_norm(s / "norm", s.weight("query"), c.eps);  // [1, Q, d]
  x = expand(g, x, {g.shape(picture)[0], c.n_queries, c.d_model});
  for (int i = 0; i < c.n_blocks; ++i) x = block(s / "blocks" / i, x, picture, c.crosses(i), c);
  return s.named(x, "out");
}

}  // namespace galago
