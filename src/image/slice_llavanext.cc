// LLaVA-NeXT's "any resolution" (LLaVA-VL/LLaVA-NeXT, select_best_resolution): the canvas that shows most of the
// picture, of equal ones the smallest. One missing pixel is enough for a larger canvas: bluelm is the answer to that.
#include <limits>

#include "image/slice_letterbox.h"

namespace galago {

SlicePlan plan_llavanext(int width, int height, const SliceOptions& options) {
  CanvasFit best{.wasted = std::numeric_limits<int64_t>::max()};
  for (Grid grid : candidate_grids(options)) {
    CanvasFit fit = fit_canvas(width, height, grid, options.tile);
    if (fit.effective > best.effective || (fit.effective == best.effective && fit.wasted < best.wasted)) best = fit;
  }
  return letterbox(width, height, best.grid, options);
}

}  // namespace galago
