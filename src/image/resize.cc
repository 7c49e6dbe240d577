#include "image/resize.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "image/resample_kernels.h"
#include "image/resample_taps.h"

namespace galago {
namespace {

int32_t to_fixed(double weight) {
  return static_cast<int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kWeightBits));  // towards zero, as in C
}

// The same taps with weights in fixed point.
struct FixedTaps {
  std::vector<Taps::Span> spans;
  std::vector<int32_t> weights;  // [outputs, stride]
  int stride = 0;
  const int32_t* weights_of(int i) const {
    return weights.data() + static_cast<size_t>(stride) * static_cast<size_t>(i);
  }
};

FixedTaps make_fixed_taps(int n_in, float begin, float end, int n_out, Filter filter) {
  Taps taps = make_taps(n_in, begin, end, n_out, filter);
  FixedTaps fixed{.spans = std::move(taps.spans), .weights = {}, .stride = taps.stride};
  fixed.weights.resize(taps.weights.size());
  std::transform(taps.weights.begin(), taps.weights.end(), fixed.weights.begin(), to_fixed);
  return fixed;
}

// Rows first_row.. of the source, kLaneRows of them, side by side: lanes[x] = pixel x of each row. The sums then run
// over whole vectors although a pixel has only three bytes.
void load_lanes(const Image& in, int first_row, int n_rows, uint8_t* lanes) {
  for (int x = 0; x < in.width; ++x, lanes += kLanes)
    for (int r = 0; r < n_rows; ++r) std::memcpy(lanes + 3 * r, in.pixel(x, first_row + r), 3);
}

// Rows [first_row, first_row + out.height) of `in`, as out.width columns.
void resample_columns(const Image& in, int first_row, const FixedTaps& taps, Image& out, ThreadPool* pool) {
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
void resample_rows(const Image& in, int first_row, const FixedTaps& taps, Image& out, ThreadPool* pool) {
  auto row_bytes = static_cast<ptrdiff_t>(in.row_bytes());
  for_ranges(pool, out.height, 8, [&](int begin, int end) {
    for (int y = begin; y < end; ++y) {
      Taps::Span span = taps.spans[static_cast<size_t>(y)];
      weigh_rows(in.row(span.first - first_row), row_bytes, taps.weights_of(y), span.count, out.row(y), row_bytes);
    }
  });
}

// Each pass is left out if it would not change anything; that matters for the result, as a pass rounds.
Image convolve(const Image& image, int width, int height, Filter filter, const Box& box, ThreadPool* pool) {
  bool columns = width != image.width || box.left != 0 || box.right != static_cast<float>(width);
  bool rows = height != image.height || box.top != 0 || box.bottom != static_cast<float>(height);
  FixedTaps down = make_fixed_taps(image.height, box.top, box.bottom, height, filter);
  int first_row = rows ? down.spans.front().first : 0;
  int end_row = rows ? down.spans.back().first + down.spans.back().count : image.height;
  Image narrow;
  if (columns) {
    narrow = make_image(width, end_row - first_row);
    resample_columns(image, first_row, make_fixed_taps(image.width, box.left, box.right, width, filter), narrow, pool);
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
                                        : convolve(image, width, height, filter, box, pool);
  out.facts = image.facts;
  return out;
}

}  // namespace galago
