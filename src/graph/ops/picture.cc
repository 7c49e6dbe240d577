// Shape rules of convolutions, pooling, resampling, the selective scan, and the losses.
#include "graph/ops/rule.h"

namespace galago {
using namespace rule;
namespace {

// One spatial axis of a convolution: n inputs, k taps.
int64_t conv_length(Op op, int64_t n, int64_t k, const ConvAttrs& a) {
  int64_t reach = a.dilation * (k - 1) + 1;
  require(k >= 1 && n + 2 * a.padding >= reach, op, "{} taps (dilation {}) over {} values and padding {}", k,
          a.dilation, n, a.padding);
  return (n + 2 * a.padding - reach) / a.stride + 1;
}

int64_t transposed_length(Op op, int64_t n, int64_t k, const ConvAttrs& a) {
  int64_t length = (n - 1) * a.stride - 2 * a.padding + a.dilation * (k - 1) + a.output_padding + 1;
  require(n >= 1 && k >= 1 && length >= 1, op, "{} taps over {} values give length {}", k, n, length);
  return length;
}

Value convolution(Graph& g, Op op, Value x, Value w, Value bias, const ConvAttrs& a, int spatial, bool transposed) {
  const Shape &xs = g.shape(x), &ws = g.shape(w);
  require_f32(g, op, x, "x");
  require(a.stride >= 1 && a.padding >= 0 && a.dilation >= 1 && a.groups >= 1 && a.output_padding >= 0, op,
          "stride {}, padding {}, dilation {}, groups {}", a.stride, a.padding, a.dilation, a.groups);
  bool ok = xs.rank() == spatial + 2 && ws.rank() == spatial + 2 && xs[1] % a.groups == 0;
  ok = ok && (transposed ? ws[0] == xs[1] : ws[1] == xs[1] / a.groups && ws[0] % a.groups == 0);
  require(ok, op, "x is [{}], w is [{}], groups {}", xs.to_string(), ws.to_string(), a.groups);
  Shape out = xs;
  out[1] = transposed ? ws[1] * a.groups : ws[0];
  for (int i = 2; i < spatial + 2; ++i)
    out[i] = transposed ? transposed_length(op, xs[i], ws[i], a) : conv_length(op, xs[i], ws[i], a);
  if (bias.valid()) require_shape(g, op, bias, Shape{out[1]}, "bias");
  return append(g, op, with_optional({x, w}, bias), out, a);
}

void require_picture(const Graph& g, Op op, Value x) {
  require_f32(g, op, x, "x");
  require(g.shape(x).rank() == 4, op, "x is [{}], expected [N, C, H, W]", g.shape(x).to_string());
}

}  // namespace

Value conv1d(Graph& g, Value x, Value w, Value bias, const ConvAttrs& attrs) {
  return convolution(g, Op::Conv1d, x, w, bias, attrs, 1, false);
}
Value conv2d(Graph& g, Value x, Value w, Value bias, const ConvAttrs& attrs) {
  return convolution(g, Op::Conv2d, x, w, bias, attrs, 2, false);
}
Value conv_transpose1d(Graph& g, Value x, Value w, Value bias, const ConvAttrs& attrs) {
  return convolution(g, Op::ConvTranspose1d, x, w, bias, attrs, 1, true);
}
Value conv_transpose2d(Graph& g, Value x, Value w, Value bias, const ConvAttrs& attrs) {
  return convolution(g, Op::ConvTranspose2d, x, w, bias, attrs, 2, true);
}

Value pool2d(Graph& g, Value x, const PoolAttrs& a) {
  require_picture(g, Op::Pool2d, x);
  Shape out = g.shape(x);
  require(a.size >= 1 && a.stride >= 1 && a.padding >= 0 && 2 * a.padding <= a.size, Op::Pool2d,
          "size {}, stride {}, padding {}", a.size, a.stride, a.padding);
  for (int i : {2, 3}) {
    require(out[i] + 2 * a.padding >= a.size, Op::Pool2d, "size {} over [{}]", a.size, g.shape(x).to_string());
    out[i] = (out[i] + 2 * a.padding - a.size) / a.stride + 1;
  }
  return append(g, Op::Pool2d, {x}, out, a);
}

Value interpolate(Graph& g, Value x, const InterpolateAttrs& a) {
  require_picture(g, Op::Interpolate, x);
  Shape out = g.shape(x);
  require(a.height >= 1 && a.width >= 1 && out[2] >= 1 && out[3] >= 1, Op::Interpolate, "[{}] to {} x {}",
          out.to_string(), a.height, a.width);
  require(a.kind != InterpolateKind::Nearest || !a.align_corners, Op::Interpolate, "nearest has no align_corners");
  out[2] = a.height;
  out[3] = a.width;
  return append(g, Op::Interpolate, {x}, out, a);
}

Value roi_align(Graph& g, Value x, Value boxes, const RoiAlignAttrs& a) {
  require_picture(g, Op::RoiAlign, x);
  require_f32(g, Op::RoiAlign, boxes, "boxes");
  const Shape& bs = g.shape(boxes);
  require(bs.rank() == 2 && bs[1] == 5, Op::RoiAlign, "boxes are [{}], expected [R, 5]", bs.to_string());
  require(a.height >= 1 && a.width >= 1 && a.sampling >= 1, Op::RoiAlign, "{} x {}, {} samples", a.height, a.width,
          a.sampling);
  return append(g, Op::RoiAlign, {x, boxes}, Shape{bs[0], g.shape(x)[1], a.height, a.width}, a);
}

Value selective_scan(Graph& g, Value u, Value delta, Value a, Value b, Value c, Value skip) {
  const Shape &us = g.shape(u), &as = g.shape(a), &bs = g.shape(b);
  for (Value v : {u, delta, a, b, c, skip}) require_f32(g, Op::SelectiveScan, v, "every input");
  require(us.rank() == 3 && as.rank() == 2 && as[0] == us[1], Op::SelectiveScan, "u is [{}], a is [{}]",
          us.to_string(), as.to_string());
  bool ok = bs.rank() == 4 && bs[0] == us[0] && bs[1] > 0 && us[1] % bs[1] == 0 && bs[2] == as[1] && bs[3] == us[2];
  require(ok, Op::SelectiveScan, "u is [{}], a is [{}], b is [{}]", us.to_string(), as.to_string(), bs.to_string());
  require_shape(g, Op::SelectiveScan, delta, us, "delta");
  require_shape(g, Op::SelectiveScan, c, bs, "c");
  require_shape(g, Op::SelectiveScan, skip, Shape{us[1]}, "skip");
  return append(g, Op::SelectiveScan, {u, delta, a, b, c, skip}, us);
}

Value cross_entropy(Graph& g, Value logits, Value targets, int32_t ignore, float label_smoothing) {
  require_f32(g, Op::CrossEntropy, logits, "logits");
  require_i32(g, Op::CrossEntropy, targets, "targets");
  const Shape& ls = g.shape(logits);
  require(ls.rank() >= 1 && ls.last() > 0, Op::CrossEntropy, "logits are [{}]", ls.to_string());
  require_shape(g, Op::CrossEntropy, targets, without_axis(ls, ls.rank() - 1), "targets");
  return append(g, Op::CrossEntropy, {logits, targets}, Shape{}, CrossEntropyAttrs{ignore, label_smoothing});
}

Value kl_div(Graph& g, Value logits, Value target_logits) {
  require_f32(g, Op::KlDiv, logits, "logits");
  require_f32(g, Op::KlDiv, target_logits, "target logits");
  const Shape& ls = g.shape(logits);
  require(ls.rank() >= 1 && ls.elements() > 0, Op::KlDiv, "logits are [{}]", ls.to_string());
  require_shape(g, Op::KlDiv, target_logits, ls, "target logits");
  return append(g, Op::KlDiv, {logits, target_logits}, Shape{});
}

Value dropout(Graph& g, Value x, float p) {
  require_f32(g, Op::Dropout, x, "x");
  require(p >= 0 && p < 1, Op::Dropout, "p = {}, expected 0 <= p < 1", p);
  return append(g, Op::Dropout, {x}, g.shape(x), DropoutAttrs{p});
}

}  // namespace galago
