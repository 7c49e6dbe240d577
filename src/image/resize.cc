#include "image/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "base/error.h"
#include "base/thread_pool.h"
#include "image/resample_kernels.h"

namespace galago {
namespace {

double triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos3(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

struct FilterRow {
  Filter filter;
  std::string_view name;
  int pillow;  // its number in Pillow and in preprocessor_config.json
  double (*weight)(double);
  double support;  // in output pixels, to each side
};
constexpr FilterRow kFilters[] = {
    {Filter::Nearest, "nearest", 0, nullptr, 0},
    {Filter::Bilinear, "bilinear", 2, triangle, 1},
    {Filter::Bicubic, "bicubic", 3, cubic, 2},
    {Filter::Lanczos, "lanczos", 1, lanczos3, 3},
};

const FilterRow& row_of(Filter filter) { return kFilters[static_cast<size_t>(filter)]; }

// Which source pixels each output pixel is made of, along one axis.
struct Taps {
  struct Span {
    int first, count;
  };
  std::vector<Span> spans;       // [outputs]
  std::vector<int32_t> weights;  // [outputs, stride], fixed point
  int stride = 0;
  const int32_t* weights_of(int i) const {
    return weights.data() + static_cast<size_t>(stride) * static_cast<size_t>(i);
  }
};

int32_t to_fixed(double weight) {
  return static_cast<int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kWeightBits));  // towards zero, as in C
}

// The order of operations is Pillow's: another order moves a weight by one unit here and there.
Taps make_taps(int n_in, float begin, float end, int n_out, const FilterRow& filter) {
  double scale = static_cast<double>(end - begin) / n_out;
  double stretch = std::max(scale, 1.0);
  double support = filter.support * stretch;
  Taps taps;
  taps.stride = static_cast<int>(std::ceil(support)) * 2 + 1;
  taps.spans.resize(static_cast<size_t>(n_out));
  taps.weights.resize(static_cast<size_t>(n_out) * static_cast<size_t>(taps.stride));
  std::vector<double> weights(static_cast<size_t>(taps.stride));
  for (int i = 0; i < n_out; ++i) {
    double centre = begin + (i + 0.5) * scale;
    int first = std::max(static_cast<int>(centre - support + 0.5), 0);
    int count = std::min(static_cast<int>(centre + support + 0.5), n_in) - first;
    double sum = 0, per_pixel = 1.0 / stretch;
    for (int x = 0; x < count; ++x) sum += weights[x] = filter.weight((x + first - centre + 0.5) * per_pixel);
    int32_t* out = taps.weights.data() + static_cast<size_t>(taps.stride) * static_cast<size_t>(i);
    for (int x = 0; x < count; ++x) out[x] = to_fixed(sum != 0.0 ? weights[x] / sum : weights[x]);
    taps.spans[static_cast<size_t>(i)] = {first, count};
  }
  return taps;
}

template <class Body>
void for_ranges(ThreadPool* pool, int n, int grain, const Body& body) {
  if (pool) {
    pool->parallel_for(n, grain,
                       [&](int64_t begin, int64_t end) { body(static_cast<int>(begin), static_cast<int>(end)); });
  } else {
    body(0, n);
  }
}

// Rows first_row.. of the source, kLaneRows of them, side by side: lanes[x] = pixel x of each row. The sums then run
// over whole vectors although a pixel has only three bytes.
void load_lanes(const Image& in, int first_row, int n_rows, uint8_t* lanes) {
  for (int x = 0; x < in.width; ++x, lanes += kLanes)
    for (int r = 0; r < n_rows; ++r) std::memcpy(lanes + 3 * r, in.pixel(x, first_row + r), 3);
}

// Rows [first_row, first_row + out.height) of `in`, as out.width columns.
void resample_columns(const Image& in, int first_row, const Taps& taps, Image& out, ThreadPool* pool) {
  int n_blocks = (out.height + kLaneRows - 1) / kLaneRows;
  for_ranges(pool, n_blocks, 1, [&](int begin, int end) {
    std::vector<uint8_t> lanes(static_cast<size_t>(in.width) * kLanes);
    uint8_t sums[kLanes];
    for (int block = begin; block < end; ++block) {
      int y = block * kLaneRows, n_rows = std::min(kLaneRows, out.height - y);
      load_lanes(in, first_row + y, n_rows, lanes.data());
      for (int x = 0; x < out.width; ++x) {
        Taps::Span span = taps.spans[static_cast<size_t>(x)];
        weigh_lanes(lanes.data() + static_cast<size_t>(span.first) * kLanes, taps.weights_of(x), span.count, sums);
        for (int r = 0; r < n_rows; ++r) std::memcpy(out.pixel(x, y + r), sums + 3 * r, 3);
      }
    }
  });
}

// `in` holds the source rows from first_row on.
void resample_rows(const Image& in, int first_row, const Taps& taps, Image& out, ThreadPool* pool) {
  auto row_bytes = static_cast<ptrdiff_t>(in.row_bytes());
  for_ranges(pool, out.height, 8, [&](int begin, int end) {
    for (int y = begin; y < end; ++y) {
      Taps::Span span = taps.spans[static_cast<size_t>(y)];
      weigh_rows(in.row(span.first - first_row), row_bytes, taps.weights_of(y), span.count, out.row(y), row_bytes);
    }
  });
}

// Each pass is left out if it would not change anything; that matters for the result, as a pass rounds.
Image convolve(const Image& image, int width, int height, const FilterRow& filter, const Box& box, ThreadPool* pool) {
  bool columns = width != image.width || box.left != 0 || box.right != static_cast<float>(width);
  bool rows = height != image.height || box.top != 0 || box.bottom != static_cast<float>(height);
  Taps down = make_taps(image.height, box.top, box.bottom, height, filter);
  int first_row = rows ? down.spans.front().first : 0;
  int end_row = rows ? down.spans.back().first + down.spans.back().count : image.height;
  Image narrow;
  if (columns) {
    narrow = make_image(width, end_row - first_row);
    resample_columns(image, first_row, make_taps(image.width, box.left, box.right, width, filter), narrow, pool);
  }
  if (!rows) return columns ? narrow : image;
  Image out = make_image(width, height);
  resample_rows(columns ? narrow : image, columns ? first_row : 0, down, out, pool);
  return out;
}

// Which source index each output index shows; -1 for none. The position is summed up step by step, as Pillow does: on
// long rows the rounding errors of that sum decide some pixels.
std::vector<int> nearest_indices(int n_in, float begin, float end, int n_out) {
  std::vector<int> indices(static_cast<size_t>(n_out));
  double step = static_cast<double>(end - begin) / n_out;
  double position = begin + step * 0.5;
  for (int& index : indices) {
    index = position < 0 || position >= n_in ? -1 : static_cast<int>(position);
    position += step;
  }
  return indices;
}

Image pick_nearest(const Image& image, int width, int height, const Box& box) {
  std::vector<int> columns = nearest_indices(image.width, box.left, box.right, width);
  std::vector<int> rows = nearest_indices(image.height, box.top, box.bottom, height);
  Image out = make_image(width, height);
  for (int y = 0; y < height; ++y) {
    int from_y = rows[static_cast<size_t>(y)];
    for (int x = 0; x < width && from_y >= 0; ++x) {
      int from_x = columns[static_cast<size_t>(x)];
      if (from_x >= 0) std::memcpy(out.pixel(x, y), image.pixel(from_x, from_y), 3);
    }
  }
  return out;
}

bool inside(const Box& box, const Image& image) {
  return box.left >= 0 && box.top >= 0 && box.right <= static_cast<float>(image.width) &&
         box.bottom <= static_cast<float>(image.height) && box.left < box.right && box.top < box.bottom;
}

}  // namespace

std::string_view filter_name(Filter filter) { return row_of(filter).name; }

std::optional<Filter> find_filter(std::string_view name) {
  for (const FilterRow& row : kFilters)
    if (row.name == name) return row.filter;
  return std::nullopt;
}

std::optional<Filter> filter_from_pillow(int resample_number) {
  for (const FilterRow& row : kFilters)
    if (row.pillow == resample_number) return row.filter;
  return std::nullopt;
}

Image resize(const Image& image, int width, int height, Filter filter, ThreadPool* pool) {
  Box all{0, 0, static_cast<float>(image.width), static_cast<float>(image.height)};
  return resize(image, width, height, filter, all, pool);
}

Image resize(const Image& image, int width, int height, Filter filter, const Box& box, ThreadPool* pool) {
  CHECK(width > 0 && height > 0, "resize to {} x {}", width, height);
  CHECK(inside(box, image), "box outside of the picture");
  bool same = width == image.width && height == image.height && box.left == 0 && box.top == 0 &&
              box.right == static_cast<float>(width) && box.bottom == static_cast<float>(height);
  if (same) return image;
  Image out = filter == Filter::Nearest ? pick_nearest(image, width, height, box)
                                        : convolve(image, width, height, row_of(filter), box, pool);
  out.facts = image.facts;
  return out;
}

}  // namespace galago
