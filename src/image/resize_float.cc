#include "image/resize_float.h"

#include "base/error.h"
#include "image/resample_taps.h"

namespace galago {
namespace {

// [rows, w] -> [rows, outputs of taps]
void resample_columns(const float* in, int n_rows, int width, const Taps& taps, float* out, ThreadPool* pool) {
  size_t n_out = taps.spans.size();
  for_ranges(pool, n_rows, 16, [&](int begin, int end) {
    for (int row = begin; row < end; ++row) {
      const float* from = in + static_cast<size_t>(row) * static_cast<size_t>(width);
      float* to = out + static_cast<size_t>(row) * n_out;
      for (size_t x = 0; x < n_out; ++x) {
        Taps::Span span = taps.spans[x];
        const double* weights = taps.weights_of(static_cast<int>(x));
        double sum = 0;
        for (int t = 0; t < span.count; ++t) sum += weights[t] * from[span.first + t];
        to[x] = static_cast<float>(sum);
      }
    }
  });
}

// [h, width] -> [outputs of taps, width], one plane.
void resample_rows(const float* in, int width, const Taps& taps, float* out, ThreadPool* pool) {
  auto columns = static_cast<size_t>(width);
  for_ranges(pool, static_cast<int>(taps.spans.size()), 8, [&](int begin, int end) {
    for (int y = begin; y < end; ++y) {
      Taps::Span span = taps.spans[static_cast<size_t>(y)];
      float* to = out + static_cast<size_t>(y) * columns;
      for (int t = 0; t < span.count; ++t) {
        const float* from = in + static_cast<size_t>(span.first + t) * columns;
        auto weight = static_cast<float>(taps.weights_of(y)[t]);
        for (size_t x = 0; x < columns; ++x) to[x] = (t == 0 ? 0 : to[x]) + weight * from[x];
      }
    }
  });
}

Tensor apply(const Tensor& planes, const Taps& across, const Taps& down, ThreadPool* pool) {
  int64_t n_planes = planes.shape()[0], height = planes.shape()[1], width = planes.shape()[2];
  auto new_width = static_cast<int64_t>(across.spans.size()), new_height = static_cast<int64_t>(down.spans.size());
  Tensor narrow = Tensor::make(DType::F32, {n_planes, height, new_width});
  resample_columns(planes.f32().data(), static_cast<int>(n_planes * height), static_cast<int>(width), across,
                   narrow.f32().data(), pool);
  Tensor out = Tensor::make(DType::F32, {n_planes, new_height, new_width});
  for (int64_t plane = 0; plane < n_planes; ++plane)
    resample_rows(narrow.f32().data() + plane * height * new_width, static_cast<int>(new_width), down,
                  out.f32().data() + plane * new_height * new_width, pool);
  return out;
}

void check(const Tensor& planes, int width, int height) {
  CHECK(planes.shape().rank() == 3 && planes.elements() > 0, "planes of shape {}", planes.shape().to_string());
  CHECK(width > 0 && height > 0, "resize to {} x {}", width, height);
}

}  // namespace

Tensor resize_antialiased(const Tensor& planes, int width, int height, Filter filter, ThreadPool* pool) {
  check(planes, width, height);
  auto old_height = static_cast<int>(planes.shape()[1]), old_width = static_cast<int>(planes.shape()[2]);
  return apply(planes, make_taps(old_width, 0, static_cast<float>(old_width), width, filter),
               make_taps(old_height, 0, static_cast<float>(old_height), height, filter), pool);
}

Tensor resize_torch_bicubic(const Tensor& planes, int width, int height, ThreadPool* pool) {
  check(planes, width, height);
  return apply(planes, make_torch_bicubic_taps(static_cast<int>(planes.shape()[2]), width),
               make_torch_bicubic_taps(static_cast<int>(planes.shape()[1]), height), pool);
}

}  // namespace galago
