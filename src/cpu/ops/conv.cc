// Convolutions of signals and pictures, and their transposes, in groups. A signal is a picture of height 1.
//   y[n, o, i] = bias[o] + sum_{c, t} w[o, c, t] x[n, c, stride i - padding + dilation t]      (both axes)
//   transposed:  y[n, o, stride i - padding + dilation t] += w[c, o, t] x[n, c, i]
// Fast: patches of x become panels of 16 output positions ("im2col"), multiplied by the rows of w as they are; with one
// channel a group (depthwise) rows of x are added up directly. The transpose multiplies first and scatters then.
#include <algorithm>

#include "cpu/ops/common.h"
#include "cpu/ops/panels.h"

namespace galago::cpu {
namespace {

struct Axis {
  int64_t in, out, taps, stride, padding, dilation;

  int64_t at(int64_t o, int64_t tap) const { return o * stride - padding + tap * dilation; }
  bool inside(int64_t i) const { return i >= 0 && i < in; }
  // The outputs for which `tap` reads inside x: begin <= o < end.
  int64_t begin(int64_t tap) const {
    int64_t before = padding - tap * dilation;
    return std::min(out, before <= 0 ? 0 : (before + stride - 1) / stride);
  }
  int64_t end(int64_t tap) const {
    int64_t room = in - 1 + padding - tap * dilation;
    return room < 0 ? begin(tap) : std::max(begin(tap), std::min(out, room / stride + 1));
  }
};

struct Conv {
  int64_t batch, channels, out_channels, groups;
  int64_t c, o;  // channels and output channels of one group
  Axis y, x;
  int64_t taps, in_plane, out_plane;

  Conv(const Node& node, std::span<const Tensor> in, bool transposed) {
    const ConvAttrs& a = node.attr<ConvAttrs>();
    const Shape &xs = in[0].shape(), &ws = in[1].shape();
    const bool signal = xs.rank() == 3;
    x = {xs[-1], node.shape[-1], ws[-1], a.stride, a.padding, a.dilation};
    y = signal ? Axis{1, 1, 1, 1, 0, 1} : Axis{xs[2], node.shape[2], ws[2], a.stride, a.padding, a.dilation};
    if (transposed) std::swap(x.in, x.out), std::swap(y.in, y.out);  // the convolution whose transpose this is
    batch = xs[0], channels = xs[1], out_channels = node.shape[1], groups = a.groups;
    c = channels / groups, o = out_channels / groups;
    taps = y.taps * x.taps;
    in_plane = xs.rank() == 3 ? xs[2] : xs[2] * xs[3];
    out_plane = node.shape.rank() == 3 ? node.shape[2] : node.shape[2] * node.shape[3];
  }
};

const float* bias_of(const OpCall& call) { return call.in.size() > 2 ? f32(call.in[2]) : nullptr; }
float bias_at(const OpCall& call, int64_t o) { return call.in.size() > 2 ? f32(call.in[2])[o] : 0; }

size_t weight_room(const Tensor& w) {
  return w.dtype() == DType::F32 ? 0 : align64(sizeof(float) * static_cast<size_t>(w.elements()));
}

// w as f32: as it is, as packed, or decoded into the beginning of scratch.
const float* weights_of(const OpCall& call) {
  const Tensor& w = call.in[1];
  if (w.dtype() == DType::F32) return f32(w);
  if (call.packed.elements() > 0) return f32(call.packed);
  float* decoded = reinterpret_cast<float*>(call.scratch.data());
  info(w.dtype()).decode(w.bytes(), decoded, w.elements());
  return decoded;
}

Tensor pack(const Node&, const Weight& weight) {
  return weight.data.dtype() == DType::F32 ? Tensor() : to_f32(weight.data);
}

void fill_bias(const OpCall& call, const Conv& s) {
  float* y = f32(call.out);
  for (int64_t i = 0; i < s.batch * s.out_channels; ++i)
    std::fill_n(y + i * s.out_plane, s.out_plane, bias_at(call, i % s.out_channels));
}

// ---- meaning
// -------------------------------------------------------------------------------------------------------------

void scalar_conv(const OpCall& call) {
  const Conv s(call.node, call.in, false);
  const float *x = f32(call.in[0]), *weights = weights_of(call);
  float* y = f32(call.out);
  for (int64_t i = 0; i < s.batch * s.out_channels * s.out_plane; ++i) {
    const int64_t oy = i % s.out_plane / s.x.out, ox = i % s.x.out, o = i / s.out_plane % s.out_channels;
    const int64_t n = i / s.out_plane / s.out_channels;
    double sum = bias_at(call, o);
    for (int64_t c = 0; c < s.c; ++c)
      for (int64_t tap = 0; tap < s.taps; ++tap) {
        const int64_t iy = s.y.at(oy, tap / s.x.taps), ix = s.x.at(ox, tap % s.x.taps);
        if (!s.y.inside(iy) || !s.x.inside(ix)) continue;
        const int64_t plane = n * s.channels + o / s.o * s.c + c;
        sum += static_cast<double>(weights[(o * s.c + c) * s.taps + tap]) * x[plane * s.in_plane + iy * s.x.in + ix];
      }
    y[i] = static_cast<float>(sum);
  }
}

// In Axis terms a transpose's result is the convolution's input: `in` counts results, `out` counts values of x.
void scalar_transpose(const OpCall& call) {
  const Conv s(call.node, call.in, true);
  const float *x = f32(call.in[0]), *weights = weights_of(call);
  float* y = f32(call.out);
  fill_bias(call, s);
  for (int64_t n = 0; n < s.batch; ++n)
    for (int64_t channel = 0; channel < s.channels; ++channel)
      for (int64_t o = 0; o < s.o; ++o)
        for (int64_t i = 0; i < s.in_plane; ++i)
          for (int64_t tap = 0; tap < s.taps; ++tap) {
            const int64_t yy = s.y.at(i / s.x.out, tap / s.x.taps), yx = s.x.at(i % s.x.out, tap % s.x.taps);
            if (!s.y.inside(yy) || !s.x.inside(yx)) continue;
            const int64_t plane = n * s.out_channels + channel / s.c * s.o + o;
            y[plane * s.out_plane + yy * s.x.in + yx] +=
                weights[(channel * s.o + o) * s.taps + tap] * x[(n * s.channels + channel) * s.in_plane + i];
          }
}

// ---- depthwise
// -----------------------------------------------------------------------------------------------------------

void add_row(float w, const float* x, int64_t stride, float* y, int64_t n) {
  if (stride == 1) return kernels().axpy(w, x, y, n);
  for (int64_t i = 0; i < n; ++i) y[i] += w * x[i * stride];
}

// One output plane of a group with one channel.
void depthwise_plane(const Conv& s, const float* x, const float* weights, float bias, float* y) {
  for (int64_t oy = 0; oy < s.y.out; ++oy, y += s.x.out) {
    std::fill_n(y, s.x.out, bias);
    for (int64_t ty = 0; ty < s.y.taps; ++ty) {
      const int64_t iy = s.y.at(oy, ty);
      if (!s.y.inside(iy)) continue;
      for (int64_t tx = 0; tx < s.x.taps; ++tx) {
        const int64_t begin = s.x.begin(tx), n = s.x.end(tx) - begin;
        if (n <= 0) continue;
        add_row(weights[ty * s.x.taps + tx], x + iy * s.x.in + s.x.at(begin, tx), s.x.stride, y + begin, n);
      }
    }
  }
}

void depthwise(const OpCall& call, const Conv& s, const float* weights) {
  call.pool.parallel_for(s.batch * s.out_channels, product_grain(4 * s.out_plane * s.taps),
                         [&](int64_t begin, int64_t end) {
                           for (int64_t i = begin; i < end; ++i) {
                             const int64_t o = i % s.out_channels, plane = i / s.out_channels * s.channels + o / s.o;
                             depthwise_plane(s, f32(call.in[0]) + plane * s.in_plane, weights + o * s.taps,
                                             bias_at(call, o), f32(call.out) + i * s.out_plane);
                           }
                         });
}

// ---- convolution as a product
// --------------------------------------------------------------------------------------------

constexpr int64_t kPositions = 4 * kPanelRows;  // output positions an item of work takes
constexpr int64_t kOutputs = 96;                // output channels an item takes
constexpr int64_t kPatchFloats = 1 << 20;       // patches kept at once: 4 MB, a share of the last-level cache

int64_t positions_at_once(const Conv& s) {
  const int64_t fit = kPatchFloats / std::max<int64_t>(s.c * s.taps, 1) / kPositions * kPositions;
  return std::clamp(fit, kPositions, (s.out_plane + kPositions - 1) / kPositions * kPositions + kPositions);
}

// 16 positions from `first` on: panel[(channel, tap)][16]; zero outside x and past the last position.
void pack_patches(const Conv& s, const float* x, int64_t first, float* panel) {
  int64_t iy[kPanelRows], ix[kPanelRows];
  const int64_t n = std::min<int64_t>(kPanelRows, s.out_plane - first);
  for (int64_t i = 0; i < n; ++i) {
    iy[i] = s.y.at((first + i) / s.x.out, 0);
    ix[i] = s.x.at((first + i) % s.x.out, 0);
  }
  const bool one_row = n == kPanelRows && iy[0] == iy[n - 1] && s.x.stride == 1;
  for (int64_t c = 0; c < s.c; ++c, x += s.in_plane)
    for (int64_t ty = 0; ty < s.y.taps; ++ty)
      for (int64_t tx = 0; tx < s.x.taps; ++tx, panel += kPanelRows) {
        const int64_t down = ty * s.y.dilation, right = tx * s.x.dilation;
        if (one_row && s.y.inside(iy[0] + down) && s.x.inside(ix[0] + right) && s.x.inside(ix[n - 1] + right)) {
          std::copy_n(x + (iy[0] + down) * s.x.in + ix[0] + right, kPanelRows, panel);
          continue;
        }
        for (int64_t i = 0; i < n; ++i) {
          const int64_t y = iy[i] + down, z = ix[i] + right;
          panel[i] = s.y.inside(y) && s.x.inside(z) ? x[y * s.x.in + z] : 0;
        }
        std::fill(panel + n, panel + kPanelRows, 0.0f);
      }
}

// Output channels [row, row + rows) of positions [column, column + n): y = w patches + bias.
void multiply_patches(const OpCall& call, const float* w, int64_t k, const float* panels, int64_t rows, int64_t n,
                      const float* bias, float* y, int64_t y_stride) {
  for (int64_t i = 0; i < rows; ++i) std::fill_n(y + i * y_stride, n, bias ? bias[i] : 0);
  kernels().gemm({.x = w,
                  .x_stride = k,
                  .x_step = 1,
                  .rows = rows,
                  .k = k,
                  .panels = panels,
                  .panel_stride = k * kPanelRows,
                  .n = n,
                  .y = y,
                  .y_stride = y_stride,
                  .accumulate = true});
}

// One picture, one group, positions [first, first + count).
void product_chunk(const OpCall& call, const Conv& s, int64_t picture, int64_t group, int64_t first, int64_t count,
                   const float* weights, float* patches) {
  const int64_t k = s.c * s.taps, outputs = (s.o + kOutputs - 1) / kOutputs;
  const float* x = f32(call.in[0]) + (picture * s.channels + group * s.c) * s.in_plane;
  call.pool.parallel_for(n_panels(count), product_grain(8 * k * kPanelRows), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) pack_patches(s, x, first + i * kPanelRows, patches + i * kPanelRows * k);
  });
  const int64_t columns = (count + kPositions - 1) / kPositions;
  const int64_t item = k * std::min(count, kPositions) * std::min(s.o, kOutputs);
  call.pool.parallel_for(columns * outputs, product_grain(item), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t column = i / outputs * kPositions, row = group * s.o + i % outputs * kOutputs;
      const float* bias = bias_of(call);
      multiply_patches(call, weights + row * k, k, patches + column * k, std::min(kOutputs, (group + 1) * s.o - row),
                       std::min(kPositions, count - column), bias ? bias + row : nullptr,
                       f32(call.out) + (picture * s.out_channels + row) * s.out_plane + first + column, s.out_plane);
    }
  });
}

size_t conv_scratch(const Node& node, std::span<const Tensor> in, int) {
  const Conv s(node, in, false);
  return weight_room(in[1]) + sizeof(float) * static_cast<size_t>(positions_at_once(s) * s.c * s.taps);
}

void fast_conv(const OpCall& call) {
  const Conv s(call.node, call.in, false);
  if (call.out.elements() == 0) return;
  const float* weights = weights_of(call);
  if (s.c == 1) return depthwise(call, s, weights);
  float* patches = reinterpret_cast<float*>(call.scratch.data() + weight_room(call.in[1]));
  const int64_t step = positions_at_once(s);
  for (int64_t picture = 0; picture < s.batch; ++picture)
    for (int64_t group = 0; group < s.groups; ++group)
      for (int64_t first = 0; first < s.out_plane; first += step)
        product_chunk(call, s, picture, group, first, std::min(step, s.out_plane - first), weights, patches);
}

// ---- transposed
// ----------------------------------------------------------------------------------------------------------

// columns[(o, tap)][position of x] = sum_c w[c, o, tap] x[c, position]
void transpose_columns(const OpCall& call, const Conv& s, const float* x, const float* weights, float* panels,
                       float* columns) {
  const int64_t rows = s.o * s.taps, blocks = (rows + kOutputs - 1) / kOutputs;
  const int64_t groups = (s.in_plane + kPositions - 1) / kPositions;
  pack_floats(x, 1, s.in_plane, s.in_plane, s.c, panels);
  const int64_t item = s.c * std::min(s.in_plane, kPositions) * std::min(rows, kOutputs);
  call.pool.parallel_for(groups * blocks, product_grain(item), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t column = i / blocks * kPositions, row = i % blocks * kOutputs;
      kernels().gemm({.x = weights + row,
                      .x_stride = 1,
                      .x_step = rows,
                      .rows = std::min(kOutputs, rows - row),
                      .k = s.c,
                      .panels = panels + column * s.c,
                      .panel_stride = s.c * kPanelRows,
                      .n = std::min(kPositions, s.in_plane - column),
                      .y = columns + row * s.in_plane + column,
                      .y_stride = s.in_plane});
    }
  });
}

// Adds the columns of one output channel where they belong.
void scatter_columns(const Conv& s, const float* columns, float* y) {
  for (int64_t tap = 0; tap < s.taps; ++tap, columns += s.in_plane) {
    const int64_t ty = tap / s.x.taps, tx = tap % s.x.taps;
    for (int64_t i = s.y.begin(ty); i < s.y.end(ty); ++i) {
      float* row = y + s.y.at(i, ty) * s.x.in;
      for (int64_t j = s.x.begin(tx); j < s.x.end(tx); ++j) row[s.x.at(j, tx)] += columns[i * s.x.out + j];
    }
  }
}

int64_t panel_floats(const Conv& s) { return n_panels(s.in_plane) * kPanelRows * s.c; }

size_t transpose_scratch(const Node& node, std::span<const Tensor> in, int) {
  const Conv s(node, in, true);
  return weight_room(in[1]) + sizeof(float) * static_cast<size_t>(panel_floats(s) + s.o * s.taps * s.in_plane);
}

void fast_transpose(const OpCall& call) {
  const Conv s(call.node, call.in, true);
  if (call.out.elements() == 0) return;
  const float* weights = weights_of(call);
  float* panels = reinterpret_cast<float*>(call.scratch.data() + weight_room(call.in[1]));
  float* columns = panels + panel_floats(s);
  fill_bias(call, s);
  for (int64_t i = 0; i < s.batch * s.groups; ++i) {
    const float* x = f32(call.in[0]) + i * s.c * s.in_plane;
    float* y = f32(call.out) + i * s.o * s.out_plane;
    transpose_columns(call, s, x, weights + i % s.groups * s.c * s.o * s.taps, panels, columns);
    call.pool.parallel_for(s.o, product_grain(4 * s.taps * s.in_plane), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) scatter_columns(s, columns + o * s.taps * s.in_plane, y + o * s.out_plane);
    });
  }
}

constexpr CpuOp kConv = {.scalar = scalar_conv, .fast = fast_conv, .scratch_bytes = conv_scratch, .pack = pack};
constexpr CpuOp kTranspose = {
    .scalar = scalar_transpose, .fast = fast_transpose, .scratch_bytes = transpose_scratch, .pack = pack};

}  // namespace

CpuOp make_Conv1d() { return kConv; }
CpuOp make_Conv2d() { return kConv; }
CpuOp make_ConvTranspose1d() { return kTranspose; }
CpuOp make_ConvTranspose2d() { return kTranspose; }

}  // namespace galago::cpu
