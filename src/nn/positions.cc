#include "nn/positions.h"

#include <algorithm>
#include <cmath>

#include "nn/vit.h"

namespace galago {
namespace {

// Cubic convolution kernel with parameter a.
double cubic(double x, double a) {
  x = std::fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

float& at(Tensor& weights, int64_t row, int64_t col) {
  return weights.f32()[static_cast<size_t>(row * weights.shape()[1] + col)];
}

}  // namespace

int64_t position_bucket(int64_t i, int64_t n, int64_t side) {
  // torch's vectorised arange(0, 1, 1/n) works in lanes of eight and rounds each to float32; the scalar tail differs.
  double step = static_cast<double>(1.0f / static_cast<float>(n));
  float base = static_cast<float>(static_cast<double>(i / 8 * 8) * step);
  float f = i < n / 16 * 16 ? static_cast<float>(static_cast<double>(base) + static_cast<double>(i % 8) * step)
                            : static_cast<float>(static_cast<double>(i) * step);
  int64_t bucket = 0;  // how many boundaries (j + 1) / side are not above f
  while (bucket < side - 1 &&
         static_cast<float>((1.0 / static_cast<double>(side)) * static_cast<double>(bucket + 1)) <= f)
    ++bucket;
  return bucket;
}

std::vector<int32_t> bucket_position_ids(int64_t h, int64_t w, int64_t side) {
  std::vector<int32_t> ids;
  for (int64_t y = 0; y < h; ++y)
    for (int64_t x = 0; x < w; ++x)
      ids.push_back(static_cast<int32_t>(side * position_bucket(y, h, side) + position_bucket(x, w, side)));
  return ids;
}

std::vector<int32_t> strip_position_ids(int64_t n, int64_t side) {
  std::vector<int32_t> ids;
  for (int64_t j = 0; j < n; ++j) ids.push_back(static_cast<int32_t>(position_bucket(j, n, side)));
  return ids;
}

Tensor antialiased_weights(int64_t in, int64_t out) {
  constexpr double kPillow = -0.5;
  Tensor weights = Tensor::make(DType::F32, {out, in});
  double scale = static_cast<double>(in) / static_cast<double>(out), stretch = std::max(scale, 1.0);
  double support = 2 * stretch;
  for (int64_t i = 0; i < out; ++i) {
    double center = (static_cast<double>(i) + 0.5) * scale, sum = 0;
    int64_t low = std::max<int64_t>(0, static_cast<int64_t>(center - support + 0.5));
    int64_t high = std::min(in, static_cast<int64_t>(center + support + 0.5));
    for (int64_t j = low; j < high; ++j) sum += cubic((static_cast<double>(j) - center + 0.5) / stretch, kPillow);
    for (int64_t j = low; j < high; ++j)
      at(weights, i, j) = static_cast<float>(cubic((static_cast<double>(j) - center + 0.5) / stretch, kPillow) / sum);
  }
  return weights;
}

Tensor bicubic_weights(int64_t in, int64_t out) {
  constexpr double kTorch = -0.75;
  Tensor weights = Tensor::make(DType::F32, {out, in});
  double scale = static_cast<double>(in) / static_cast<double>(out);
  for (int64_t i = 0; i < out; ++i) {
    double source = scale * (static_cast<double>(i) + 0.5) - 0.5, floor = std::floor(source);
    for (int64_t tap = -1; tap <= 2; ++tap) {
      int64_t j = std::clamp<int64_t>(static_cast<int64_t>(floor) + tap, 0, in - 1);
      at(weights, i, j) += static_cast<float>(cubic(source - floor - static_cast<double>(tap), kTorch));
    }
  }
  return weights;
}

// Both axes as matrix products: out[y, x] = sum_j wy[y, j] sum_i wx[x, i] grid[j, i].
Value resample_grid(const Scope& s, Value grid, int64_t side, int64_t h, int64_t w, bool antialiased) {
  Graph& g = s.graph();
  int64_t d = g.shape(grid)[1];
  auto weights = [&](int64_t out) { return antialiased ? antialiased_weights(side, out) : bicubic_weights(side, out); };
  Value wx = s.constant("resample_x", weights(w)), wy = s.constant("resample_y", weights(h));
  Value x = permute(g, reshape(g, grid, {side, side, d}), {0, 2, 1});  // [side y, d, side x]
  x = linear(g, x, wx);                                                // [side y, d, w]
  x = linear(g, permute(g, x, {2, 1, 0}), wy);                         // [w, d, h]
  return reshape(g, permute(g, x, {2, 0, 1}), {h * w, d});
}

Tensor sincos_positions(int64_t h, int64_t w, int64_t d) {
  int64_t quarter = d / 4;
  Tensor table = Tensor::make(DType::F32, {h * w, d});
  auto to = table.f32().begin();
  auto turn = [&](int64_t coordinate, auto function) {
    for (int64_t i = 0; i < quarter; ++i) {
      double omega = 1 / std::pow(10000.0, static_cast<double>(i) / static_cast<double>(quarter));
      *to++ = static_cast<float>(function(static_cast<double>(coordinate) * omega));
    }
  };
  auto sine = [](double v) { return std::sin(v); };
  auto cosine = [](double v) { return std::cos(v); };
  for (int64_t y = 0; y < h; ++y)
    for (int64_t x = 0; x < w; ++x) {
      turn(x, sine);
      turn(x, cosine);
      turn(y, sine);
      turn(y, cosine);
    }
  return table;
}

}  // namespace galago
