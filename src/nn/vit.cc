#include "nn/vit.h"

#include "nn/block.h"
#include "nn/positions.h"

namespace galago {
namespace {

// Learned positions of h x w patches [1, h * w (+ 1), d], the class token's first.
Value position_rows(const Scope& s, int64_t h, int64_t w, const VitConfig& c) {
  Graph& g = s.graph();
  Value table = s.weight("pos_embed");  // [1, tokens, d]
  bool same_size = h == c.side() && w == c.side();
  if (c.positions == VitPositions::Table || (same_size && c.positions < VitPositions::Buckets)) return table;
  int64_t n_class = c.class_token ? 1 : 0, side = c.side();
  Value grid = reshape(g, slice(g, table, 1, n_class, n_class + side * side), {side * side, c.d_model});
  if (c.positions >= VitPositions::Buckets) {
    auto ids = c.positions == VitPositions::Strip ? strip_position_ids(h * w, side) : bucket_position_ids(h, w, side);
    grid = gather(g, grid, s.constant("position_ids", Tensor::from({h * w}, ids)));
  } else {
    bool antialiased = c.positions == VitPositions::Antialiased;
    grid = resample_grid(s, grid, side, h, w, antialiased);
  }
  grid = reshape(g, grid, {1, h * w, c.d_model});
  if (n_class == 0) return grid;
  return concat(g, std::vector<Value>{slice(g, table, 1, 0, 1), grid}, 1);
}

Value add_positions(const Scope& s, Value x, int64_t h, int64_t w, const VitConfig& c) {
  Graph& g = s.graph();
  if (c.class_token) {
    Value token = expand(g, s.weight("cls_token"), {g.shape(x)[0], 1, c.d_model});
    x = concat(g, std::vector<Value>{token, x}, 1);
  }
  return dropout(g, add(g, x, position_rows(s, h, w, c)), c.dropout);
}

BlockConfig block_config(const VitConfig& c) {
  BlockConfig block{.norm = c.norm, .eps = c.eps, .dropout = c.dropout};
  block.residual_from_norm = c.residual_from_norm;
  block.attention = {.n_heads = c.n_heads,
                     .n_kv_heads = c.n_heads,
                     .d_head = c.d_model / c.n_heads,
                     .scale = c.attention_scale,
                     .head_norm = c.head_norm,
                     .head_norm_eps = c.head_norm == HeadNorm::RmsAll ? c.eps : 1e-5f};
  block.mlp = {.gated = false, .activation = c.activation};
  return block;
}

}  // namespace

Value vit(const Scope& s, Value pixels, const VitConfig& c) {
  Shape shape = s.graph().shape(pixels);
  Value patches = patch_embed(s / "patch_embed", pixels, c.patch_size);
  return vit_from_patches(s, patches, shape[2] / c.patch_size, shape[3] / c.patch_size, c);
}

Value vit_from_patches(const Scope& s, Value patches, const VitConfig& c) {
  return vit_from_patches(s, patches, c.side(), c.side(), c);
}

Value vit_from_patches(const Scope& s, Value patches, int64_t h, int64_t w, const VitConfig& c) {
  Graph& g = s.graph();
  BlockConfig block = block_config(c);
  Value x = s.named(add_positions(s, patches, h, w, c), "embedded");
  if (c.pre_norm) x = layer_norm(s / "pre_norm", x, c.eps);
  for (int i = 0; i < c.n_blocks; ++i) x = transformer_block(s / "blocks" / i, x, block);
  if (c.norm_class_only) x = slice(g, x, 1, 0, 1);
  if (c.final_norm) x = layer_norm(s / "norm", x, c.eps);
  if (c.drop_class_token) x = slice(g, x, 1, 1, g.shape(x)[1]);
  return s.named(x, "out");
}

}  // namespace galago
