// Mini-Monkey's multi-scale adaptive cropping (Yuliang-Liu/MiniMonkey; paper arXiv 2408.02034, section 3.2): a detailed
// grid as InternVL's, an adaptive grid of fewer tiles whose cuts lie elsewhere, so that what one grid cuts apart the
// other shows whole, and the whole picture. Surprise: "elsewhere" is only asked for by counts of rows and columns, and
// Keep::And, which the training script has, refuses every grid with a side of 1, so it mostly leaves none.
#include "image/slice_ratio.h"

namespace galago {
namespace {

Grid adaptive_grid(int width, int height, Grid detailed, const SliceOptions& o) {
  return nearest_grid(width, height, o.adaptive_min_tiles, o.adaptive_max_tiles, o.tile, [&](Grid grid) {
    bool other_cols = detailed.cols % grid.cols != 0, other_rows = detailed.rows % grid.rows != 0;
    return o.keep == SliceOptions::Keep::And ? other_cols && other_rows : other_cols || other_rows;
  });
}

}  // namespace

// A grid of one tile would show the global view twice, so it is left out; the training script sends the adaptive one.
SlicePlan plan_minimonkey(int width, int height, const SliceOptions& options) {
  Grid detailed = nearest_grid(width, height, options.min_tiles, options.max_tiles, options.tile);
  Grid adaptive = adaptive_grid(width, height, detailed, options);
  SliceView global = stretched({}, options, "global");
  std::vector<SliceView> first, second;
  if (detailed.n_tiles() > 1) first.push_back(stretched(detailed, options, "detailed"));
  if (adaptive.n_tiles() > 1 || options.training) second.push_back(stretched(adaptive, options, "adaptive"));

  using Order = SliceOptions::Order;
  if (options.order == Order::DetailedGlobalAdaptive && !first.empty()) first.push_back(global);
  if (options.order == Order::AdaptiveFirst) std::swap(first, second);
  SlicePlan plan{std::move(first)};
  plan.views.insert(plan.views.end(), second.begin(), second.end());
  plan.views.push_back(global);
  return plan;
}

}  // namespace galago
