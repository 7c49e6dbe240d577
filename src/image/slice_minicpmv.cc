// MiniCPM-V 2.0 to 4.5 (openbmb/MiniCPM-V, slice_image; paper arXiv 2408.01800, section 3.2): the picture once, shrunk
// or enlarged to about tile x tile pixels, and if it is larger than that a second, larger copy cut into 2 to max_tiles
// slices near that area whose aspect is free. Sides are multiples of the patch. Doubles and rounding half to even: with
// floats, or halves rounded up, about 7 % of all sizes come out different.
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "base/error.h"
#include "image/slicing.h"

namespace galago {
namespace {

struct Size {
  int width, height;
};

int snap(double length, int step) { return std::max(static_cast<int>(std::nearbyint(length / step)) * step, step); }

// The size with the aspect of width x height, about tile x tile pixels; smaller pictures keep theirs unless `enlarge`.
Size fit(double width, double height, const SliceOptions& o, bool enlarge) {
  if (enlarge || width * height > double(o.tile) * o.tile) {
    double aspect = width / height;
    height = std::trunc(o.tile / std::sqrt(aspect));
    width = std::trunc(height * aspect);  // of the whole number, so the area may end up a little smaller
  }
  return {snap(width, o.patch), snap(height, o.patch)};
}

// Nothing if the picture fits one tile.
std::optional<Grid> choose_grid(int width, int height, const SliceOptions& o) {
  double n_tiles = double(width) * height / (double(o.tile) * o.tile);
  int wanted = static_cast<int>(std::min(std::ceil(n_tiles), double(o.max_tiles)));
  if (wanted <= 1) return std::nullopt;
  Grid best;
  double least_error = std::numeric_limits<double>::infinity();
  for (int n : {wanted - 1, wanted, wanted + 1}) {
    if (n == 1 || n > o.max_tiles) continue;
    for (int cols = 1; cols <= n; ++cols) {
      if (n % cols != 0) continue;
      Grid grid{cols, n / cols};
      double error = std::abs(std::log(double(width) / height) - std::log(double(grid.cols) / grid.rows));
      if (error < least_error) best = grid, least_error = error;
    }
  }
  return best;
}

SliceView overview(Size size, const SliceOptions& o) {
  return {.width = size.width, .height = size.height, .filter = o.filter, .name = "overview"};
}

SliceView slices(int width, int height, Grid grid, const SliceOptions& o) {
  double slice_width = double(snap(width, grid.cols)) / grid.cols;  // the picture snapped to the grid, not to patches
  double slice_height = double(snap(height, grid.rows)) / grid.rows;
  Size slice = fit(slice_width, slice_height, o, true);
  return {.width = slice.width * grid.cols,
          .height = slice.height * grid.rows,
          .filter = o.filter,
          .rows = grid.rows,
          .cols = grid.cols,
          .name = "slices"};
}

}  // namespace

SlicePlan plan_minicpmv(int width, int height, const SliceOptions& options) {
  if (options.patch < 1 || options.patch > options.tile)
    throw invalid_input("minicpmv slicing: patch of {} pixels; expected 1 to the tile's {}", options.patch,
                        options.tile);
  std::optional<Grid> grid = choose_grid(width, height, options);
  if (!grid) return {{overview(fit(width, height, options, true), options)}};
  return {{overview(fit(width, height, options, false), options), slices(width, height, *grid, options)}};
}

}  // namespace galago
