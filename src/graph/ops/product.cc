// Shape rules of products, attention, rotary positions and the cache.
#include "graph/ops/rule.h"

namespace galago {
using namespace rule;

Value linear(Graph& g, Value x, Value w, Value bias) {
  require_f32(g, Op::Linear, x, "x");
  const Shape &xs = g.shape(x), &ws = g.shape(w);
  require(xs.rank() >= 1 && ws.rank() == 2 && xs.last() == ws[1], Op::Linear, "x is [{}], w is [{}]", xs.to_string(),
          ws.to_string());
  if (bias.valid()) require_shape(g, Op::Linear, bias, Shape{ws[0]}, "bias");
  return append(g, Op::Linear, with_optional({x, w}, bias), with_last(xs, ws[0]));
}

Value matmul(Graph& g, Value a, Value b, bool transpose_b) {
  require_f32(g, Op::Matmul, a, "a");
  require_f32(g, Op::Matmul, b, "b");
  const Shape &as = g.shape(a), &bs = g.shape(b);
  bool ok = as.rank() >= 2 && bs.rank() >= 2 && as.last() == bs[transpose_b ? -1 : -2];
  ok = ok && (bs.rank() == 2 || bs.rank() == as.rank());
  for (int i = 0; ok && bs.rank() > 2 && i < as.rank() - 2; ++i) ok = as[i] == bs[i];
  require(ok, Op::Matmul, "a is [{}], b is [{}]{}", as.to_string(), bs.to_string(), transpose_b ? " transposed" : "");
  return append(g, Op::Matmul, {a, b}, with_last(as, bs[transpose_b ? -2 : -1]), MatmulAttrs{transpose_b});
}

Value expert_linear(Graph& g, Value x, Value w, Value expert) {
  require_f32(g, Op::ExpertLinear, x, "x");
  require_i32(g, Op::ExpertLinear, expert, "expert");
  const Shape &xs = g.shape(x), &ws = g.shape(w), &es = g.shape(expert);
  bool ok = xs.rank() == 3 && ws.rank() == 3 && es.rank() == 2 && xs[2] == ws[2] && xs[0] == es[0];
  ok = ok && (xs[1] == es[1] || xs[1] == 1);
  require(ok, Op::ExpertLinear, "x is [{}], w is [{}], expert is [{}]", xs.to_string(), ws.to_string(),
          es.to_string());
  return append(g, Op::ExpertLinear, {x, w, expert}, Shape{es[0], es[1], ws[1]});
}

Value attention(Graph& g, Value q, Value k, Value v, const AttentionOptions& options) {
  const Shape &qs = g.shape(q), &ks = g.shape(k), &vs = g.shape(v);
  require_f32(g, Op::Attention, q, "q");
  bool ok = qs.rank() == 4 && ks.rank() == 4 && vs.rank() == 4 && qs[0] == ks[0] && qs[0] == vs[0] &&
            qs[3] == ks[3] && ks[1] == vs[1] && ks[2] == vs[2] && ks[2] > 0 && qs[2] % ks[2] == 0;
  require(ok, Op::Attention, "q is [{}], k is [{}], v is [{}]", qs.to_string(), ks.to_string(), vs.to_string());
  require(options.past.valid() || !options.causal || ks[1] >= qs[1], Op::Attention,
          "causal with {} queries but {} keys", qs[1], ks[1]);
  AttentionAttrs attrs{options.scale, options.causal, options.window, options.past.valid(), options.mask.valid()};
  std::vector<Value> inputs = {q, k, v};
  if (attrs.has_past) {
    require_i32(g, Op::Attention, options.past, "past");
    require_shape(g, Op::Attention, options.past, Shape{1}, "past");
    inputs.push_back(options.past);
  }
  if (attrs.has_mask) {
    const Shape& ms = g.shape(options.mask);
    require_f32(g, Op::Attention, options.mask, "mask");
    require(ms == Shape({qs[1], ks[1]}) || ms == Shape({qs[0], qs[1], ks[1]}), Op::Attention,
            "mask is [{}] for {} queries and {} keys", ms.to_string(), qs[1], ks[1]);
    inputs.push_back(options.mask);
  }
  return append(g, Op::Attention, std::move(inputs), Shape{qs[0], qs[1], qs[2], vs[3]}, attrs);
}

Value rope(Graph& g, Value x, Value positions, const RopeAttrs& attrs, Value factors) {
  const Shape &xs = g.shape(x), &ps = g.shape(positions);
  require_f32(g, Op::Rope, x, "x");
  require_i32(g, Op::Rope, positions, "positions");
  require(xs.rank() == 4, Op::Rope, "x is [{}], expected [B, T, H, D]", xs.to_string());
  require(ps == Shape{xs[1]} || ps == Shape({xs[0], xs[1]}), Op::Rope, "x is [{}], positions are [{}]",
          xs.to_string(), ps.to_string());
  require(attrs.n_rot >= 0 && attrs.n_rot % 2 == 0 && attrs.n_rot <= xs[3], Op::Rope, "{} of {} channels",
          attrs.n_rot, xs[3]);
  if (factors.valid()) require_shape(g, Op::Rope, factors, Shape{attrs.n_rot / 2}, "factors");
  return append(g, Op::Rope, with_optional({x, positions}, factors), xs, attrs);
}

Value kv_append(Graph& g, Value state, Value rows, Value past) {
  const Shape &ss = g.shape(state), &rs = g.shape(rows);
  require(g.node(state).op == Op::State, Op::KvAppend, "the first input must be a state");
  require_f32(g, Op::KvAppend, rows, "rows");
  require_i32(g, Op::KvAppend, past, "past");
  require_shape(g, Op::KvAppend, past, Shape{1}, "past");
  bool ok = ss.rank() == rs.rank() && ss.rank() >= 2 && rs[1] <= ss[1];
  for (int i = 0; ok && i < ss.rank(); ++i) ok = i == 1 || ss[i] == rs[i];
  require(ok, Op::KvAppend, "rows [{}] into a state of [{}]", rs.to_string(), ss.to_string());
  return append(g, Op::KvAppend, {state, rows, past}, ss, {}, g.node(state).dtype);
}

Value gather(Graph& g, Value table, Value ids) {
  const Shape& ts = g.shape(table);
  require_i32(g, Op::Gather, ids, "ids");
  require(ts.rank() >= 1, Op::Gather, "the table is a scalar");
  DType type = g.node(table).dtype == DType::I32 ? DType::I32 : DType::F32;
  std::vector<int64_t> dims(g.shape(ids).dims().begin(), g.shape(ids).dims().end());
  dims.insert(dims.end(), ts.dims().begin() + 1, ts.dims().end());
  require(dims.size() <= Shape::kMaxRank, Op::Gather, "ids [{}] of a table [{}]: too many dimensions",
          g.shape(ids).to_string(), ts.to_string());
  return append(g, Op::Gather, {table, ids}, Shape(dims), {}, type);
}

Value scatter(Graph& g, Value base, Value rows, Value ids) {
  require_f32(g, Op::Scatter, base, "base");
  require_f32(g, Op::Scatter, rows, "rows");
  require_i32(g, Op::Scatter, ids, "ids");
  const Shape &bs = g.shape(base), &rs = g.shape(rows), &is = g.shape(ids);
  bool ok = bs.rank() >= 1 && bs.rank() == rs.rank() && is.rank() == 1 && is[0] == rs[0];
  for (int i = 1; ok && i < bs.rank(); ++i) ok = bs[i] == rs[i];
  require(ok, Op::Scatter, "rows [{}] at ids [{}] into [{}]", rs.to_string(), is.to_string(), bs.to_string());
  return append(g, Op::Scatter, {base, rows, ids}, bs);
}

}  // namespace galago
