#include "nn/decoder.h"

#include <cmath>

namespace galago {
namespace {

// How many tokens the tables of positions are made for.
int64_t context_of(const Scope& s, Value x, std::span<const LayerCache> caches) {
  if (caches.empty()) return s.graph().shape(x)[1];
  return caches[0].n_context > 0 ? caches[0].n_context : caches[0].key->data.shape()[1];
}

BlockConfig block_config(const DecoderConfig& c, int64_t n_context) {
  bool is_long = n_context > c.rope_trained && !c.rope_long_factors.empty();
  BlockConfig block{.norm = c.norm, .eps = c.eps, .mlp = c.mlp, .dropout = c.dropout};
  block.residual_from_norm = c.residual_from_norm;
  block.residual_scale = c.residual_scale;
  block.parallel = c.parallel;
  block.shared_norm = c.shared_norm;
  block.attention_rms_norm = c.attention_rms_norm;
  block.attention = {.n_heads = c.n_heads,
                     .n_kv_heads = c.n_kv_heads,
                     .d_head = c.d_head(),
                     .scale = c.attention_scale,
                     .causal = true,
                     .rotary = c.n_positions == 0,
                     .rope_factors = is_long ? c.rope_long_factors : c.rope_factors,
                     .head_norm = c.head_norm,
                     .head_norm_eps = c.head_norm_eps,
                     .latent = c.latent};
  block.attention.rope = {
      .base = c.rope_base_for(n_context), .n_rot = c.n_turning(), .layout = RopeLayout::Halves, .scale = c.rope_scale};
  return block;
}

Value add_positions(const Scope& s, Value x, const DecoderConfig& c, const PositionInfo& at) {
  if (c.n_positions == 0) return x;
  return add(s.graph(), x, gather(s.graph(), s.weight("pos_embed.weight"), at.positions));
}

}  // namespace

float DecoderConfig::rope_base_for(int64_t n_context) const {
  if (rope_dynamic <= 0 || n_context <= rope_trained) return rope_base;
  double stretch = static_cast<double>(rope_dynamic) * static_cast<double>(n_context) / rope_trained;
  double d = n_turning();
  return static_cast<float>(rope_base * std::pow(stretch - (static_cast<double>(rope_dynamic) - 1), d / (d - 2)));
}

Value embed_tokens(const Scope& s, Value ids) { return gather(s.graph(), s.weight("token_embed.weight"), ids); }

Value embed_tokens(const Scope& s, Value ids, const DecoderConfig& c) {
  Value x = embed_tokens(s, ids);
  return c.embed_scale == 1 ? x : affine(s.graph(), x, c.embed_scale);
}

Value decoder(const Scope& s, Value x, const DecoderConfig& c, const PositionInfo& at,
              std::span<const LayerCache> caches) {
  Graph& g = s.graph();
  Scope inside = s.with_picture_rows(at.picture_rows);
  BlockConfig block = block_config(c, context_of(s, x, caches));
  x = add_positions(s, x, c, at);
  for (int i = 0; i < c.n_blocks; ++i)
    x = transformer_block(inside / "blocks" / i, x, block, at, caches.empty() ? nullptr : &caches[i]);
  x = norm(s / "norm", x, c.norm, c.eps);
  return s.named(c.logit_scale == 1 ? x : affine(g, x, c.logit_scale), "out");
}

Value decoder_received_attention(const Scope& s, Value x, const DecoderConfig& c, const PositionInfo& at, int layer,
                                 int64_t first, int64_t n) {
  BlockConfig block = block_config(c, context_of(s, x, {}));
  x = add_positions(s, x, c, at);
  for (int i = 0; i < layer; ++i) x = transformer_block(s / "blocks" / i, x, block, at);
  x = norm(s / "blocks" / layer / "norm1", x, c.norm, c.eps);
  return received_attention(s / "blocks" / layer / "attn", x, block.attention, at, first, n);
}

Value output_logits(const Scope& s, Value hidden) {
  if (s.has("head.weight")) return linear(s / "head", hidden);
  return linear(s.graph(), hidden, s.weight("token_embed.weight"));
}

}  // namespace galago
