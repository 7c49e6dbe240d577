// Pictures [N, C, H, W]: pool2d, interpolate, roi_align.
#include <cmath>
#include <limits>

#include "cpu/ops/common.h"

namespace galago::cpu {
namespace {

// The planes [H, W] of a picture, shared by threads.
template <class Body>
void for_planes(const OpCall& c, int64_t cost_a_value, Body body) {
  const Shape& out = c.out.shape();
  for_rows(c.pool, out[0] * out[1], out[2] * out[3] * cost_a_value, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) body(plane);
  });
}

// An op whose scalar meaning is the same text on one thread, with the sums in double.
template <void (*plane)(const OpCall&, int64_t)>
void each_plane(const OpCall& c) {
  for (int64_t i = 0; i < c.out.shape()[0] * c.out.shape()[1]; ++i) plane(c, i);
}

// ---- pool2d
// ----------------------------------------------------------------------------------------------------------------

float pool_window(const PoolAttrs& a, const float* x, int64_t height, int64_t width, int64_t top, int64_t left) {
  int64_t y0 = std::max<int64_t>(top, 0), y1 = std::min(top + a.size, height);
  int64_t x0 = std::max<int64_t>(left, 0), x1 = std::min(left + a.size, width);
  float most = -std::numeric_limits<float>::infinity();
  double total = 0;
  for (int64_t y = y0; y < y1; ++y) {
    for (int64_t i = x0; i < x1; ++i) {
      float v = x[y * width + i];
      most = v > most || v != v ? v : most;  // NaN stays
      total += v;
    }
  }
  if (a.kind == PoolKind::Max) return most;
  int64_t count = a.count_padding ? static_cast<int64_t>(a.size) * a.size : std::max<int64_t>(1, (y1 - y0) * (x1 - x0));
  return static_cast<float>(total / static_cast<double>(count));
}

void pool_plane(const OpCall& c, int64_t plane) {
  const auto& a = c.node.attr<PoolAttrs>();
  const Shape &in = c.in[0].shape(), &out = c.out.shape();
  const float* x = f32(c.in[0]) + plane * in[2] * in[3];
  float* y = f32(c.out) + plane * out[2] * out[3];
  for (int64_t row = 0; row < out[2]; ++row)
    for (int64_t column = 0; column < out[3]; ++column)
      *y++ = pool_window(a, x, in[2], in[3], row * a.stride - a.padding, column * a.stride - a.padding);
}

void pool_fast(const OpCall& c) {
  int64_t size = c.node.attr<PoolAttrs>().size;
  for_planes(c, size * size, [&](int64_t plane) { pool_plane(c, plane); });
}

// ---- interpolate
// -------------------------------------------------------------------------------------------------------------

// Which input values along one axis make output value i, and their weights.
struct Taps {
  int32_t index[4];
  float weight[4];
};

int n_taps(InterpolateKind kind) {
  return kind == InterpolateKind::Nearest ? 1 : kind == InterpolateKind::Bilinear ? 2 : 4;
}

// Keys' cubic with a = -0.75 at distance |t| (OpenCV's and torch's choice; Keys himself used -0.5).
double cubic(double t) {
  constexpr double a = -0.75;
  t = std::fabs(t);
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

Taps taps_at(const InterpolateAttrs& a, int64_t i, int64_t n_in, int64_t n_out) {
  Taps taps{};
  auto inside = [&](int64_t index) { return static_cast<int32_t>(std::clamp<int64_t>(index, 0, n_in - 1)); };
  if (a.kind == InterpolateKind::Nearest) {  // in float32, as torch: the rounding of in/out decides some pixels
    float scale = static_cast<float>(n_in) / static_cast<float>(n_out);
    taps.index[0] = inside(static_cast<int64_t>(std::floor(static_cast<float>(i) * scale)));
    taps.weight[0] = 1;
    return taps;
  }
  double scale = a.align_corners ? (n_out > 1 ? static_cast<double>(n_in - 1) / static_cast<double>(n_out - 1) : 0)
                                 : static_cast<double>(n_in) / static_cast<double>(n_out);
  double at = a.align_corners ? static_cast<double>(i) * scale : (static_cast<double>(i) + 0.5) * scale - 0.5;
  if (a.kind == InterpolateKind::Bilinear) at = std::max(at, 0.0);
  double floor = std::floor(at), t = at - floor;
  auto first = static_cast<int64_t>(floor);
  int n = n_taps(a.kind), before = n / 2 - 1;
  for (int k = 0; k < n; ++k) {
    taps.index[k] = inside(first + k - before);
    taps.weight[k] = static_cast<float>(n == 2 ? (k == 0 ? 1 - t : t) : cubic(t - (k - before)));
  }
  return taps;
}

// One output row of a plane: weighted input rows, at weighted columns.
template <int n, class Sum>
void interpolate_row(const float* x, int64_t width, const Taps& ty, const Taps* tx, float* y, int64_t n_out) {
  for (int64_t i = 0; i < n_out; ++i) {
    Sum total = 0;
    for (int ky = 0; ky < n; ++ky) {
      const float* row = x + ty.index[ky] * width;
      Sum line = 0;
      for (int kx = 0; kx < n; ++kx) line += static_cast<Sum>(tx[i].weight[kx]) * row[tx[i].index[kx]];
      total += static_cast<Sum>(ty.weight[ky]) * line;
    }
    y[i] = static_cast<float>(total);
  }
}

template <class Sum>
void interpolate_row(InterpolateKind kind, const float* x, int64_t width, const Taps& ty, const Taps* tx, float* y,
                     int64_t n_out) {
  switch (kind) {
    case InterpolateKind::Nearest:
      return interpolate_row<1, Sum>(x, width, ty, tx, y, n_out);
    case InterpolateKind::Bilinear:
      return interpolate_row<2, Sum>(x, width, ty, tx, y, n_out);
    case InterpolateKind::Bicubic:
      return interpolate_row<4, Sum>(x, width, ty, tx, y, n_out);
  }
}

// Scratch: the taps of all columns.
size_t interpolate_scratch(const Node& node, std::span<const Tensor>, int) {
  return sizeof(Taps) * static_cast<size_t>(node.attr<InterpolateAttrs>().width);
}

template <class Sum>
void interpolate(const OpCall& c) {
  const auto& a = c.node.attr<InterpolateAttrs>();
  const Shape &in = c.in[0].shape(), &out = c.out.shape();
  auto* tx = reinterpret_cast<Taps*>(c.scratch.data());
  for (int64_t i = 0; i < a.width; ++i) tx[i] = taps_at(a, i, in[3], a.width);
  for_rows(c.pool, out[0] * out[1] * a.height, a.width * n_taps(a.kind) * n_taps(a.kind),
           [&](int64_t begin, int64_t end) {
             for (int64_t row = begin; row < end; ++row) {
               Taps ty = taps_at(a, row % a.height, in[2], a.height);
               const float* x = f32(c.in[0]) + row / a.height * in[2] * in[3];
               interpolate_row<Sum>(a.kind, x, in[3], ty, tx, f32(c.out) + row * a.width, a.width);
             }
           });
}

// ---- roi_align
// ---------------------------------------------------------------------------------------------------------------

// Bilinear sample; 0 more than one pixel outside, the border's value up to there.
template <class Real>
Real sample(const float* x, int64_t height, int64_t width, Real y, Real column) {
  bool inside = y >= -1 && y <= static_cast<Real>(height) && column >= -1 && column <= static_cast<Real>(width);
  if (!inside || height == 0 || width == 0) return 0;  // also for NaN
  y = std::max<Real>(y, 0);
  column = std::max<Real>(column, 0);
  auto y0 = std::min(static_cast<int64_t>(y), height - 1), x0 = std::min(static_cast<int64_t>(column), width - 1);
  auto y1 = std::min(y0 + 1, height - 1), x1 = std::min(x0 + 1, width - 1);
  Real ty = y0 == y1 ? 0 : y - static_cast<Real>(y0), tx = x0 == x1 ? 0 : column - static_cast<Real>(x0);
  Real top = (1 - tx) * x[y0 * width + x0] + tx * x[y0 * width + x1];
  Real bottom = (1 - tx) * x[y1 * width + x0] + tx * x[y1 * width + x1];
  return (1 - ty) * top + ty * bottom;
}

// One box, one channel.
template <class Real>
void roi_plane(const OpCall& c, int64_t plane) {
  const auto& a = c.node.attr<RoiAlignAttrs>();
  const Shape& in = c.in[0].shape();
  int64_t channel = plane % in[1];
  const float* box = f32(c.in[1]) + plane / in[1] * 5;
  if (!(box[0] >= 0 && box[0] < static_cast<float>(in[0])))
    throw invalid_input("roi_align: found picture {}, expected 0..{}", box[0], in[0] - 1);
  const float* x = f32(c.in[0]) + (static_cast<int64_t>(box[0]) * in[1] + channel) * in[2] * in[3];
  Real shift = a.aligned ? 0.5 : 0, scale = a.spatial_scale;
  Real left = box[1] * scale - shift, top = box[2] * scale - shift;
  Real width = box[3] * scale - shift - left, height = box[4] * scale - shift - top;
  if (!a.aligned) width = std::max<Real>(width, 1), height = std::max<Real>(height, 1);
  Real step_x = width / a.width, step_y = height / a.height;
  float* y = f32(c.out) + plane * a.height * a.width;
  for (int row = 0; row < a.height; ++row) {
    for (int column = 0; column < a.width; ++column) {
      Real total = 0;
      for (int i = 0; i < a.sampling; ++i)
        for (int j = 0; j < a.sampling; ++j)
          total += sample<Real>(x, in[2], in[3], top + (row + (i + Real(0.5)) / a.sampling) * step_y,
                                left + (column + (j + Real(0.5)) / a.sampling) * step_x);
      *y++ = static_cast<float>(total / (a.sampling * a.sampling));
    }
  }
}

void roi_fast(const OpCall& c) {
  int64_t n = c.node.attr<RoiAlignAttrs>().sampling;
  for_planes(c, 8 * n * n, [&](int64_t plane) { roi_plane<float>(c, plane); });
}

}  // namespace

CpuOp make_Pool2d() { return {.scalar = each_plane<pool_plane>, .fast = pool_fast}; }
CpuOp make_Interpolate() {
  return {.scalar = interpolate<double>, .fast = interpolate<float>, .scratch_bytes = interpolate_scratch};
}
CpuOp make_RoiAlign() { return {.scalar = each_plane<roi_plane<double>>, .fast = roi_fast}; }

}  // namespace galago::cpu
