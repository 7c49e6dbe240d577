// Hugging Face nanoVLM (huggingface/nanoVLM, DynamicResize and GlobalAndSplitImages): the long side becomes max_side,
// or without resize_to_max_side the next multiple of the tile up to it; the short side keeps the aspect and is rounded
// up to whole tiles, so the aspect changes a little. More than one tile: a global view comes first. Surprise: the
// global view is made from the resized picture, not from the original, as floats: torchvision's resize of a tensor,
// bilinear, antialiased (since torchvision 0.17).
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "image/slicing.h"

namespace galago {
namespace {

int whole_tiles(double length, int tile) { return static_cast<int>(std::ceil(length / tile)) * tile; }

void check(const SliceOptions& o) {
  constexpr int kMaxSide = 65536;
  if (o.max_side < o.tile || o.max_side > kMaxSide || o.max_side % o.tile != 0)
    throw invalid_input("nanovlm slicing: tile {}, longest side {}; expected a tile that divides the side, at most {}",
                        o.tile, o.max_side, kMaxSide);
}

SliceView global_view(int tile, int from) {
  return {.width = tile,
          .height = tile,
          .filter = Filter::Bilinear,
          .resize = SliceView::Resize::FloatAntialiased,
          .from = from,
          .name = "global"};
}

}  // namespace

SlicePlan plan_nanovlm(int width, int height, const SliceOptions& options) {
  check(options);
  int tile = options.tile, longer = std::max(width, height), shorter = std::min(width, height);
  int target_long =
      options.resize_to_max_side ? options.max_side : std::min(options.max_side, whole_tiles(longer, tile));
  double scale = static_cast<double>(target_long) / longer;
  int target_short = std::max(whole_tiles(shorter * scale, tile), tile);

  SliceView grid{.width = width >= height ? target_long : target_short,
                 .height = width >= height ? target_short : target_long,
                 .filter = options.filter};
  grid.rows = grid.height / tile;
  grid.cols = grid.width / tile;
  using Thumbnail = SliceOptions::Thumbnail;
  bool is_one_tile = grid.rows == 1 && grid.cols == 1;  // their product is not checked yet and may not fit
  if (is_one_tile || options.thumbnail == Thumbnail::None) return {{grid}};
  if (options.thumbnail == Thumbnail::Last) return {{grid, global_view(tile, 0)}};
  return {{global_view(tile, 1), grid}};
}

}  // namespace galago
