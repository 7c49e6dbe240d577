#include "image/slice_ratio.h"

#include <cmath>
#include <limits>

namespace galago {

// Doubles: with floats 700x600 becomes 2 x 2 instead of 4 x 3. Equal means equal to the last bit.
Grid nearest_grid(int width, int height, int min_tiles, int max_tiles, int tile,
                  const std::function<bool(Grid)>& keep) {
  double aspect = double(width) / height, pixels = double(width) * height;
  Grid best;
  double least = std::numeric_limits<double>::infinity();
  for (int n = min_tiles; n <= max_tiles; ++n) {
    for (int cols = 1; cols <= n; ++cols) {
      Grid grid{cols, n / cols};
      if (n % cols != 0 || (keep && !keep(grid))) continue;
      double distance = std::abs(aspect - double(grid.cols) / grid.rows);
      bool fills = pixels > 0.5 * tile * tile * n;
      if (distance < least || (distance == least && fills)) best = grid, least = distance;
    }
  }
  return best;
}

SliceView stretched(Grid grid, const SliceOptions& options, std::string_view name) {
  return {.width = options.tile * grid.cols,
          .height = options.tile * grid.rows,
          .filter = options.filter,
          .rows = grid.rows,
          .cols = grid.cols,
          .name = name};
}

}  // namespace galago
