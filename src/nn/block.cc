#include "nn/block.h"

namespace galago {
namespace {

Value add_branch(const Scope& s, Value x, Value branch, std::string_view layer_scale, const BlockConfig& c) {
  Graph& g = s.graph();
  if (s.has(layer_scale)) branch = mul(g, branch, s.weight(layer_scale));
  if (c.dropout > 0) branch = dropout(g, branch, c.dropout);
  if (c.residual_scale != 1) branch = affine(g, branch, c.residual_scale);
  return add(g, x, branch);
}

Value attend(const Scope& s, Value h, const BlockConfig& c, const PositionInfo& at, const LayerCache* cache) {
  h = s.named(self_attention(s / "attn", h, c.attention, at, cache), "attn.out");
  return c.attention_rms_norm > 0 ? rms_norm(s / "attn_norm", h, c.attention_rms_norm) : h;
}

}  // namespace

Value transformer_block(const Scope& s, Value x, const BlockConfig& c, const PositionInfo& at,
                        const LayerCache* cache) {
  Value h = norm(s / "norm1", x, c.norm, c.eps);
  Value attended = add_branch(s, x, attend(s, h, c, at, cache), "ls1", c);
  if (!c.shared_norm) h = norm(s / "norm2", c.parallel ? x : attended, c.norm, c.eps);
  Value residual = c.residual_from_norm ? h : attended;
  return s.named(add_branch(s, residual, mlp(s / "mlp", h, c.mlp), "ls2", c), "out");
}

}  // namespace galago
