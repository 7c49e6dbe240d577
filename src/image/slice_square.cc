// CLIP-style models without cropping, and nanoVLM 0.1 and 0.2: one tile, the aspect is ignored.
#include "base/error.h"
#include "image/slicing.h"

namespace galago {

SlicePlan plan_square(int, int, const SliceOptions& options) {
  if (options.tile < 1) throw invalid_input("slicing: tile of {} pixels; expected at least 1", options.tile);
  return {.width = options.tile, .height = options.tile, .filter = options.filter};
}

}  // namespace galago
