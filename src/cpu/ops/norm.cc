// Normalisations: layer, rms, group, batch. Formulas: graph/builder.h.
#include <cmath>

#include "cpu/ops/common.h"

namespace galago::cpu {
namespace {

float eps_of(const OpCall& c) { return c.node.attr<NormAttrs>().eps; }
const float* input_or_null(const OpCall& c, size_t i) { return i < c.in.size() ? f32(c.in[i]) : nullptr; }

struct Moments {
  double mean, inverse;  // 1 / sqrt(variance + eps)
};

Moments moments_of(const float* x, int64_t n, double eps) {
  double mean = 0, variance = 0;
  for (int64_t i = 0; i < n; ++i) mean += x[i];
  mean /= static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) variance += (x[i] - mean) * (x[i] - mean);
  return {mean, 1 / std::sqrt(variance / static_cast<double>(n) + eps)};
}

// The same in float by vectors; two passes, so that a large mean costs no digits.
Moments fast_moments(const float* x, int64_t n, float eps) {
  float mean = kernels().sum(x, n) / static_cast<float>(n);
  float variance = kernels().sum_square(x, mean, n) / static_cast<float>(n);
  return {mean, 1.0f / std::sqrt(variance + eps)};
}

void layer_norm_scalar(const OpCall& c) {
  int64_t n = c.out.shape().last();
  const float *gain = input_or_null(c, 1), *bias = input_or_null(c, 2);
  for (int64_t row = 0; row < c.out.shape().rows(); ++row) {
    const float* x = f32(c.in[0]) + row * n;
    Moments m = moments_of(x, n, eps_of(c));
    for (int64_t i = 0; i < n; ++i)
      f32(c.out)[row * n + i] =
          static_cast<float>((x[i] - m.mean) * m.inverse * (gain ? gain[i] : 1) + (bias ? bias[i] : 0));
  }
}

void layer_norm_fast(const OpCall& c) {
  int64_t n = c.out.shape().last();
  const float *x = f32(c.in[0]), *gain = input_or_null(c, 1), *bias = input_or_null(c, 2);
  float* y = f32(c.out);
  for_rows(c.pool, c.out.shape().rows(), 3 * n, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin * n; at < end * n; at += n) {
      Moments m = fast_moments(x + at, n, eps_of(c));
      kernels().standardize(x + at, static_cast<float>(m.mean), static_cast<float>(m.inverse), gain, bias, y + at, n);
    }
  });
}

void rms_norm_scalar(const OpCall& c) {
  int64_t n = c.out.shape().last();
  for (int64_t row = 0; row < c.out.shape().rows(); ++row) {
    const float* x = f32(c.in[0]) + row * n;
    double square = 0;
    for (int64_t i = 0; i < n; ++i) square += static_cast<double>(x[i]) * x[i];
    double inverse = 1 / std::sqrt(square / static_cast<double>(n) + eps_of(c));
    for (int64_t i = 0; i < n; ++i) f32(c.out)[row * n + i] = static_cast<float>(x[i] * inverse * f32(c.in[1])[i]);
  }
}

void rms_norm_fast(const OpCall& c) {
  int64_t n = c.out.shape().last();
  const float *x = f32(c.in[0]), *gain = f32(c.in[1]);
  float* y = f32(c.out);
  for_rows(c.pool, c.out.shape().rows(), 2 * n, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin * n; at < end * n; at += n) {
      float mean_square = kernels().sum_square(x + at, 0.0f, n) / static_cast<float>(n);
      kernels().standardize(x + at, 0.0f, 1.0f / std::sqrt(mean_square + eps_of(c)), gain, nullptr, y + at, n);
    }
  });
}

// x [N, C, ...]: a group is C / groups channels in a row, each `inner` values.
struct Groups {
  int64_t count, channels, inner, n;  // groups over all pictures; channels a group; values a channel; values a group
  explicit Groups(const OpCall& c) {
    const Shape& shape = c.out.shape();
    Around a(shape, 1);
    int groups = c.node.attr<NormAttrs>().groups;
    count = shape[0] * groups;
    channels = shape[1] / groups;
    inner = a.inner;
    n = channels * inner;
  }
  int64_t channel(int64_t group, int64_t i, int64_t n_channels) const { return (group * channels + i) % n_channels; }
};

void group_norm_scalar(const OpCall& c) {
  Groups g(c);
  int64_t n_channels = c.out.shape()[1];
  for (int64_t group = 0; group < g.count && g.n > 0; ++group) {
    const float* x = f32(c.in[0]) + group * g.n;
    Moments m = moments_of(x, g.n, eps_of(c));
    for (int64_t i = 0; i < g.n; ++i) {
      int64_t channel = g.channel(group, i / g.inner, n_channels);
      f32(c.out)[group * g.n + i] =
          static_cast<float>((x[i] - m.mean) * m.inverse * f32(c.in[1])[channel] + f32(c.in[2])[channel]);
    }
  }
}

void group_norm_fast(const OpCall& c) {
  Groups g(c);
  int64_t n_channels = c.out.shape()[1];
  const float *gain = f32(c.in[1]), *bias = f32(c.in[2]);
  if (g.n == 0) return;
  for_rows(c.pool, g.count, 3 * g.n, [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; ++group) {
      Moments m = fast_moments(f32(c.in[0]) + group * g.n, g.n, eps_of(c));
      for (int64_t i = 0; i < g.channels; ++i) {
        int64_t channel = g.channel(group, i, n_channels), at = group * g.n + i * g.inner;
        float* y = f32(c.out) + at;
        kernels().standardize(f32(c.in[0]) + at, static_cast<float>(m.mean), static_cast<float>(m.inverse), nullptr,
                              nullptr, y, g.inner);
        kernels().affine(y, gain[channel], bias[channel], y, g.inner);
      }
    }
  });
}

void batch_norm_scalar(const OpCall& c) {
  Around a(c.out.shape(), 1);
  for (int64_t i = 0; i < c.out.elements(); ++i) {
    int64_t channel = i / a.inner % a.n;
    auto of = [&](int input) -> double { return f32(c.in[input])[channel]; };
    f32(c.out)[i] = static_cast<float>((f32(c.in[0])[i] - of(3)) / std::sqrt(of(4) + eps_of(c)) * of(1) + of(2));
  }
}

void batch_norm_fast(const OpCall& c) {
  Around a(c.out.shape(), 1);
  const float *gain = f32(c.in[1]), *bias = f32(c.in[2]), *mean = f32(c.in[3]), *variance = f32(c.in[4]);
  for_rows(c.pool, a.outer * a.n, a.inner, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t channel = i % a.n;
      float* y = f32(c.out) + i * a.inner;
      float inverse = 1.0f / std::sqrt(variance[channel] + eps_of(c));
      kernels().standardize(f32(c.in[0]) + i * a.inner, mean[channel], inverse, nullptr, nullptr, y, a.inner);
      kernels().affine(y, gain[channel], bias[channel], y, a.inner);
    }
  });
}

}  // namespace

CpuOp make_LayerNorm() { return {.scalar = layer_norm_scalar, .fast = layer_norm_fast, .in_place = true}; }
CpuOp make_RmsNorm() { return {.scalar = rms_norm_scalar, .fast = rms_norm_fast, .in_place = true}; }
CpuOp make_GroupNorm() { return {.scalar = group_norm_scalar, .fast = group_norm_fast, .in_place = true}; }
CpuOp make_BatchNorm() { return {.scalar = batch_norm_scalar, .fast = batch_norm_fast, .in_place = true}; }

}  // namespace galago::cpu
