// The grid whose aspect is nearest to the picture's: InternVL's dynamic tiling, used by internvl and minimonkey.
#pragma once

#include <functional>

#include "image/slicing.h"

namespace galago {

// Among all grids of min_tiles to max_tiles tiles that `keep` lets through; 1 x 1 if there is none. Of two equally near
// grids the larger one, if the picture fills more than half of its pixels.
Grid nearest_grid(int width, int height, int min_tiles, int max_tiles, int tile,
                  const std::function<bool(Grid)>& keep = {});

// The picture stretched to the grid, whatever its aspect.
SliceView stretched(Grid grid, const SliceOptions& options, std::string_view name);

}  // namespace galago
