// Hugging Face nanoVLM (huggingface/nanoVLM, DynamicResize and GlobalAndSplitImages): the long side becomes max_side,
// or without resize_to_max_side the next multiple of the tile up to it; the short side keeps the aspect and is rounded
// up to whole tiles, so the aspect changes a little. More than one tile: a global view comes first. Surprise: the
// global view is made from the resized picture, not from the original. The published code resizes floats there;
// cut_tiles() rounds to 8 bits, a difference of at most half a step of 1/255.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "image/slicing.h"

namespace galago {
namespace {

int whole_tiles(double length, int tile) { return static_cast<int>(std::ceil(length / tile)) * tile; }

void check(const SliceOptions& o) {
  if (o.tile < 1 || o.max_side < o.tile || o.max_side % o.tile != 0)
    throw invalid_input("nanovlm slicing: tile {}, longest side {}; expected a positive tile that divides the side",
                        o.tile, o.max_side);
}

}  // namespace

SlicePlan plan_nanovlm(int width, int height, const SliceOptions& options) {
  check(options);
  int tile = options.tile, longer = std::max(width, height), shorter = std::min(width, height);
  int target_long =
      options.resize_to_max_side ? options.max_side : std::min(options.max_side, whole_tiles(longer, tile));
  double scale = static_cast<double>(target_long) / longer;
  int target_short = std::max(whole_tiles(shorter * scale, tile), tile);

  SlicePlan plan{.width = width >= height ? target_long : target_short,
                 .height = width >= height ? target_short : target_long,
                 .filter = options.filter};
  plan.rows = plan.height / tile;
  plan.cols = plan.width / tile;
  if (plan.rows * plan.cols == 1) return plan;
  plan.global = SlicePlan::Global::First;
  plan.global_width = plan.global_height = tile;
  plan.global_from_resized = true;
  return plan;
}

}  // namespace galago
