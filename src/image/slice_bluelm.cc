// BlueLM-V's relaxed aspect-ratio matching (paper arXiv 2411.10640, Algorithm 1): candidates from the largest canvas
// down; one replaces the choice if it shows more than alpha more of the picture, or wastes less while it shows at most
// alpha less. Surprise: "more" and "less" refer to the last accepted canvas, so small losses may add up (401 x 421
// loses 17 % on candidates up to 3 x 3); SliceOptions::strict refers to the best canvas seen.
#include <algorithm>
#include <limits>

#include "base/error.h"
#include "image/slice_letterbox.h"

namespace galago {
namespace {

Grid relaxed_grid(int width, int height, const SliceOptions& o) {
  std::vector<Grid> candidates = candidate_grids(o);
  if (o.grids.empty()) std::reverse(candidates.begin(), candidates.end());
  CanvasFit best{.wasted = std::numeric_limits<int64_t>::max()};
  int64_t measure = 0;  // effective pixels to compare with
  for (Grid grid : candidates) {
    CanvasFit fit = fit_canvas(width, height, grid, o.tile);
    double slack = o.alpha * static_cast<double>(measure);
    bool much_better = static_cast<double>(fit.effective - measure) > slack;
    bool as_good = static_cast<double>(measure - fit.effective) < slack && fit.wasted < best.wasted;
    if (much_better || as_good) {
      best = fit;
      if (!o.strict) measure = fit.effective;
    }
    if (o.strict) measure = std::max(measure, fit.effective);
  }
  return best.grid;
}

}  // namespace

SlicePlan plan_bluelm(int width, int height, const SliceOptions& options) {
  if (!(options.alpha >= 0 && options.alpha <= 1))
    throw invalid_input("bluelm slicing: alpha {}; expected 0 to 1", options.alpha);
  return letterbox(width, height, relaxed_grid(width, height, options), options);
}

}  // namespace galago
