#include "image/resample_taps.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

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

double sharp_cubic(double x) {
  constexpr double a = -0.75;
  x = std::abs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
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

Taps empty_taps(int n_out, int stride) {
  Taps taps{.spans = {}, .weights = {}, .stride = stride};
  taps.spans.resize(static_cast<size_t>(n_out));
  taps.weights.resize(static_cast<size_t>(n_out) * static_cast<size_t>(stride));
  return taps;
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

// The order of operations is Pillow's: another order moves a weight by one unit here and there.
Taps make_taps(int n_in, float begin, float end, int n_out, Filter which) {
  const FilterRow& filter = row_of(which);
  CHECK(filter.weight, "filter {} has no weights", filter.name);
  double scale = static_cast<double>(end - begin) / n_out;
  double stretch = std::max(scale, 1.0);
  double support = filter.support * stretch;
  Taps taps = empty_taps(n_out, static_cast<int>(std::ceil(support)) * 2 + 1);
  for (int i = 0; i < n_out; ++i) {
    double centre = begin + (i + 0.5) * scale;
    int first = std::max(static_cast<int>(centre - support + 0.5), 0);
    int count = std::min(static_cast<int>(centre + support + 0.5), n_in) - first;
    double* weights = taps.weights_of(i);
    double sum = 0, per_pixel = 1.0 / stretch;
    for (int x = 0; x < count; ++x) sum += weights[x] = filter.weight((x + first - centre + 0.5) * per_pixel);
    for (int x = 0; x < count && sum != 0.0; ++x) weights[x] /= sum;
    taps.spans[static_cast<size_t>(i)] = {first, count};
  }
  return taps;
}

Taps make_torch_bicubic_taps(int n_in, int n_out) {
  Taps taps = empty_taps(n_out, 4);
  double scale = static_cast<double>(n_in) / n_out;
  for (int i = 0; i < n_out; ++i) {
    double position = scale * (i + 0.5) - 0.5;
    int floor = static_cast<int>(std::floor(position));
    int first = std::clamp(floor - 1, 0, n_in - 1), last = std::clamp(floor + 2, 0, n_in - 1);
    for (int x = floor - 1; x <= floor + 2; ++x)
      taps.weights_of(i)[std::clamp(x, 0, n_in - 1) - first] += sharp_cubic(x - position);
    taps.spans[static_cast<size_t>(i)] = {first, last - first + 1};
  }
  return taps;
}

}  // namespace galago
