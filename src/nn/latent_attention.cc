#include "nn/latent_attention.h"

namespace galago {
namespace {

Value queries(const Scope& s, Value x, const LatentConfig& c) {
  if (c.q_rank == 0) return linear(s / "q", x);
  return linear(s / "q_b", rms_norm(s / "q_a_norm", linear(s / "q_a", x), c.eps));
}

Value turn(Graph& g, Value x, const Rotation& at) { return rope(g, x, at.positions, at.rope, at.factors); }

}  // namespace

LatentHeads latent_heads(const Scope& s, Value x, int n_heads, const LatentConfig& c, const Rotation& at) {
  Graph& g = s.graph();
  int64_t batch = g.shape(x)[0], n = g.shape(x)[1];
  auto heads = [&](Value y, int64_t count, int64_t width) { return reshape(g, y, {batch, n, count, width}); };
  auto part = [&](Value y, int64_t begin, int64_t width) { return slice(g, y, -1, begin, begin + width); };
  auto join = [&](Value a, Value b) { return concat(g, std::vector<Value>{a, b}, 3); };

  Value q = heads(queries(s, x, c), n_heads, c.d_head());
  q = join(part(q, 0, c.d_nope), turn(g, part(q, c.d_nope, c.d_rope), at));

  Value latent = linear(s / "kv_a", x);  // [B, T, rank + rope]
  Value shared = turn(g, heads(part(latent, c.kv_rank, c.d_rope), 1, c.d_rope), at);
  shared = expand(g, shared, {batch, n, n_heads, c.d_rope});
  Value kv = linear(s / "kv_b", rms_norm(s / "kv_a_norm", part(latent, 0, c.kv_rank), c.eps));
  kv = heads(kv, n_heads, c.d_nope + c.d_value);
  return {q, join(part(kv, 0, c.d_nope), shared), part(kv, c.d_nope, c.d_value)};
}

}  // namespace galago
