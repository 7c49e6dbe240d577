#include "nn/decoder.h"

namespace galago {

Value embed_tokens(const Scope& s, Value ids) { return gather(s.graph(), s.weight("token_embed.weight"), ids); }

Value decoder(const Scope& s, Value x, const DecoderConfig& c, const PositionInfo& at,
              std::span<const LayerCache> caches) {
  Graph& g = s.graph();
  BlockConfig block{.norm = c.norm, .eps = c.eps, .mlp = c.mlp, .dropout = c.dropout};
  block.residual_from_norm = c.residual_from_norm;
  block.attention = {.n_heads = c.n_heads,
                     .n_kv_heads = c.n_kv_heads,
                     .d_head = c.d_head(),
                     .scale = c.attention_scale,
                     .causal = true,
                     .rotary = c.n_positions == 0};
  block.attention.rope = {
      .base = c.rope_base, .n_rot = c.d_head(), .layout = RopeLayout::Halves, .scale = c.rope_scale};
  if (c.n_positions > 0) x = add(g, x, gather(g, s.weight("pos_embed.weight"), at.positions));
  for (int i = 0; i < c.n_blocks; ++i)
    x = transformer_block(s / "blocks" / i, x, block, at, caches.empty() ? nullptr : &caches[i]);
  return s.named(norm(s / "norm", x, c.norm, c.eps), "out");
}

Value output_logits(const Scope& s, Value hidden) {
  if (s.has("head.weight")) return linear(s / "head", hidden);
  return linear(s.graph(), hidden, s.weight("token_embed.weight"));
}

}  // namespace galago
