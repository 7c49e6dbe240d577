#include "nn/block.h"

namespace galago {
namespace {

Value add_branch(Graph& g, Value x, Value branch, const BlockConfig& c) {
  if (c.dropout > 0) branch = dropout(g, branch, c.dropout);
  if (c.residual_scale != 1) branch = affine(g, branch, c.residual_scale);
  return add(g, x, branch);
}

}  // namespace

Value transformer_block(const Scope& s, Value x, const BlockConfig& c, const PositionInfo& at,
                        const LayerCache* cache) {
  Graph& g = s.graph();
  Value h = norm(s / "norm1", x, c.norm, c.eps);
  h = s.named(self_attention(s / "attn", h, c.attention, at, cache), "attn.out");
  x = add_branch(g, x, h, c);
  h = norm(s / "norm2", x, c.norm, c.eps);
  Value y = add_branch(g, c.residual_from_norm ? h : x, mlp(s / "mlp", h, c.mlp), c);
  return s.named(y, "out");
}

}  // namespace galago
