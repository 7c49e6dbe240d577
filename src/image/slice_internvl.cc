// InternVL 1.5 and 2 (OpenGVLab/InternVL, dynamic_preprocess; paper arXiv 2404.16821, section 3.3): the picture
// stretched to the grid of nearest aspect, then a thumbnail of the whole picture if there is more than one tile.
#include "image/slice_ratio.h"

namespace galago {

SlicePlan plan_internvl(int width, int height, const SliceOptions& options) {
  Grid grid = nearest_grid(width, height, options.min_tiles, options.max_tiles, options.tile);
  SliceView tiles = stretched(grid, options, "tiles"), global = stretched({}, options, "global");
  using Thumbnail = SliceOptions::Thumbnail;
  if (grid.n_tiles() == 1 || options.thumbnail == Thumbnail::None) return {{tiles}};
  if (options.thumbnail == Thumbnail::First) return {{global, tiles}};
  return {{tiles, global}};
}

}  // namespace galago
