#include "nn/vit.h"

#include "nn/block.h"

namespace galago {
namespace {

Value add_positions(const Scope& s, Value x, const VitConfig& c) {
  Graph& g = s.graph();
  if (c.class_token) {
    Value token = expand(g, s.weight("cls_token"), {g.shape(x)[0], 1, c.d_model});
    x = concat(g, std::vector<Value>{token, x}, 1);
  }
  return dropout(g, add(g, x, s.weight("pos_embed")), c.dropout);
}

}  // namespace

Value vit(const Scope& s, Value pixels, const VitConfig& c) {
  return vit_from_patches(s, patch_embed(s / "patch_embed", pixels, c.patch_size), c);
}

Value vit_from_patches(const Scope& s, Value patches, const VitConfig& c) {
  Graph& g = s.graph();
  BlockConfig block{.norm = NormKind::Layer, .eps = c.eps, .dropout = c.dropout};
  block.residual_from_norm = c.residual_from_norm;
  block.attention = {
      .n_heads = c.n_heads, .n_kv_heads = c.n_heads, .d_head = c.d_model / c.n_heads, .scale = c.attention_scale};
  block.mlp = {.gated = false, .activation = c.activation};
  Value x = add_positions(s, patches, c);
  for (int i = 0; i < c.n_blocks; ++i) x = transformer_block(s / "blocks" / i, x, block);
  if (c.norm_class_only) x = slice(g, x, 1, 0, 1);
  return s.named(layer_norm(s / "norm", x, c.eps), "out");
}

}  // namespace galago
