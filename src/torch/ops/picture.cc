// Convolutions, pooling, resampling, and the selective scan.
#include "base/error.h"
#include "torch/run.h"

namespace galago::torch_backend {
namespace {

// Bilinear sampling is separable: row r of the result is the average over `sampling` points of bin r of the weights
// with which they read the n positions of one axis. Points more than one position outside read nothing; others are
// moved to the border (torchvision's roi_align). start, length: [R]. Result [R, bins, n].
at::Tensor sampling_matrix(const at::Tensor& start, const at::Tensor& length, int bins, int sampling, int64_t n) {
  at::Tensor point = (at::arange(bins * sampling, start.options()) + 0.5) / sampling;       // in bins
  at::Tensor at_ = start.unsqueeze(1) + point.unsqueeze(0) * (length / bins).unsqueeze(1);  // [R, bins * sampling]
  at::Tensor inside = (at_ >= -1).logical_and(at_ <= n).to(start.scalar_type());
  at_ = at_.clamp(0, n - 1);
  at::Tensor distance = (at_.unsqueeze(2) - at::arange(n, start.options())).abs();
  at::Tensor weight = (1 - distance).clamp_min(0) * inside.unsqueeze(2);
  return weight.reshape({start.size(0), bins, sampling, n}).mean({2});
}

}  // namespace

at::Tensor run_Conv1d(const Call& call) {
  const auto& a = call.attr<ConvAttrs>();
  return at::conv1d(call.operand(0), call.operand(1), call.operand_or_none(2), a.stride, a.padding, a.dilation,
                    a.groups);
}

at::Tensor run_Conv2d(const Call& call) {
  const auto& a = call.attr<ConvAttrs>();
  return at::conv2d(call.operand(0), call.operand(1), call.operand_or_none(2), a.stride, a.padding, a.dilation,
                    a.groups);
}

at::Tensor run_ConvTranspose1d(const Call& call) {
  const auto& a = call.attr<ConvAttrs>();
  return at::conv_transpose1d(call.f32(0), call.f32(1), call.f32_or_none(2), a.stride, a.padding, a.output_padding,
                              a.groups, a.dilation);
}

at::Tensor run_ConvTranspose2d(const Call& call) {
  const auto& a = call.attr<ConvAttrs>();
  return at::conv_transpose2d(call.f32(0), call.f32(1), call.f32_or_none(2), a.stride, a.padding, a.output_padding,
                              a.groups, a.dilation);
}

at::Tensor run_Pool2d(const Call& call) {
  const auto& a = call.attr<PoolAttrs>();
  at::Tensor x = call.f32(0);
  if (a.kind == PoolKind::Max) return at::max_pool2d(x, a.size, a.stride, a.padding);
  return at::avg_pool2d(x, a.size, a.stride, a.padding, /*ceil_mode=*/false, a.count_padding);
}

at::Tensor run_Interpolate(const Call& call) {
  const auto& a = call.attr<InterpolateAttrs>();
  at::Tensor x = call.f32(0);
  switch (a.kind) {
    case InterpolateKind::Nearest:
      return at::upsample_nearest2d(x, {a.height, a.width});
    case InterpolateKind::Bilinear:
      return at::upsample_bilinear2d(x, {a.height, a.width}, a.align_corners);
    case InterpolateKind::Bicubic:
      return at::upsample_bicubic2d(x, {a.height, a.width}, a.align_corners);
  }
  CHECK(false, "interpolate kind {}", static_cast<int>(a.kind));
}

at::Tensor run_RoiAlign(const Call& call) {
  const auto& a = call.attr<RoiAlignAttrs>();
  at::Tensor x = call.f32(0), boxes = call.f32(1);
  if (boxes.size(0) == 0) return at::zeros(sizes(call.node.shape), x.options());
  at::Tensor picture = boxes.select(1, 0).to(at::kLong);
  if (picture.min().item<int64_t>() < 0 || picture.max().item<int64_t>() >= x.size(0))
    throw invalid_input("roi_align: a box names a picture outside 0..{}", x.size(0) - 1);
  at::Tensor corners = boxes.narrow(1, 1, 4) * a.spatial_scale - (a.aligned ? 0.5 : 0.0);  // x1 y1 x2 y2
  at::Tensor start = corners.narrow(1, 0, 2), length = corners.narrow(1, 2, 2) - start;    // x, y
  if (!a.aligned) length = length.clamp_min(1);
  at::Tensor rows = sampling_matrix(start.select(1, 1), length.select(1, 1), a.height, a.sampling, x.size(2));
  at::Tensor columns = sampling_matrix(start.select(1, 0), length.select(1, 0), a.width, a.sampling, x.size(3));
  at::Tensor pixels = x.index_select(0, picture);  // [R, C, H, W]
  return at::matmul(at::matmul(rows.unsqueeze(1), pixels), columns.unsqueeze(1).transpose(2, 3));
}

at::Tensor run_SelectiveScan(const Call& call) {
  at::Tensor u = call.f32(0), delta = call.f32(1), a = call.f32(2), b = call.f32(3), c = call.f32(4);
  const int64_t B = u.size(0), D = u.size(1), L = u.size(2), N = a.size(1), G = b.size(1);
  auto grouped = [&](const at::Tensor& t, int64_t l) { return t.select(3, l).unsqueeze(2); };  // [B, G, 1, N]
  at::Tensor h = at::zeros({B, G, D / G, N}, u.options());
  at::Tensor a_grouped = a.view({1, G, D / G, N});
  std::vector<at::Tensor> steps;
  for (int64_t l = 0; l < L; ++l) {
    at::Tensor dt = delta.select(2, l).reshape({B, G, D / G, 1});
    at::Tensor input = dt * u.select(2, l).reshape({B, G, D / G, 1});
    h = at::addcmul(at::exp(dt * a_grouped) * h, input, grouped(b, l));
    steps.push_back((h * grouped(c, l)).sum({3}).reshape({B, D}));
  }
  at::Tensor skipped = u * call.f32(5).unsqueeze(1);
  return L == 0 ? skipped : at::stack(steps, 2) + skipped;
}

}  // namespace galago::torch_backend
