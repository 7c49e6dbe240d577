#include "image/slice_letterbox.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace galago {
namespace {

SliceView centred(int width, int height, Grid grid, const SliceOptions& o) {
  int full_width = grid.cols * o.tile, full_height = grid.rows * o.tile;
  double across = double(full_width) / width, down = double(full_height) / height;
  int new_width = full_width, new_height = full_height;
  if (across < down)
    new_height = std::min(static_cast<int>(std::ceil(height * across)), full_height);
  else
    new_width = std::min(static_cast<int>(std::ceil(width * down)), full_width);
  return {.width = new_width,
          .height = new_height,
          .filter = o.filter,
          .left = (full_width - new_width) / 2,
          .top = (full_height - new_height) / 2,
          .canvas_width = full_width,
          .canvas_height = full_height,
          .rows = grid.rows,
          .cols = grid.cols};
}

}  // namespace

// Truncation decides ties, so the order of operations is the published one. Ours: a side is never 0 pixels, so that a
// picture of 10000 x 1 finds a canvas too.
CanvasFit fit_canvas(int width, int height, Grid grid, int tile) {
  int64_t full_width = int64_t{grid.cols} * tile, full_height = int64_t{grid.rows} * tile;
  double scale = std::min(double(full_width) / width, double(full_height) / height);
  int64_t shown_width = std::max<int64_t>(1, static_cast<int64_t>(width * scale));
  int64_t shown_height = std::max<int64_t>(1, static_cast<int64_t>(height * scale));
  int64_t effective = std::min(shown_width * shown_height, int64_t{width} * height);
  return {grid, effective, full_width * full_height - effective};
}

std::vector<Grid> candidate_grids(const SliceOptions& o) {
  constexpr int kMaxSide = 32;  // squared: the most tiles of a plan
  if (!o.grids.empty()) return o.grids;
  if (o.max_grid_side < 1 || o.max_grid_side > kMaxSide)
    throw invalid_input("slicing: candidates up to {} x {}; expected 1 to {}", o.max_grid_side, o.max_grid_side,
                        kMaxSide);
  std::vector<Grid> grids;
  for (int cols = 1; cols <= o.max_grid_side; ++cols)
    for (int rows = 1; rows <= o.max_grid_side; ++rows) grids.push_back({cols, rows});
  return grids;
}

SlicePlan letterbox(int width, int height, Grid grid, const SliceOptions& o) {
  SliceView tiles = centred(width, height, grid, o);
  SliceView global{.width = o.tile, .height = o.tile, .filter = o.filter, .name = "global"};
  using Thumbnail = SliceOptions::Thumbnail;
  if (o.thumbnail == Thumbnail::None || (grid.n_tiles() == 1 && !o.thumbnail_for_1x1)) return {{tiles}};
  if (o.thumbnail == Thumbnail::Last) return {{tiles, global}};
  return {{global, tiles}};
}

}  // namespace galago
