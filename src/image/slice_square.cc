// CLIP-style models without cropping, nanoVLM 0.1 and 0.2, TinyGPT-V: one tile, the aspect is ignored.
#include "image/slicing.h"

namespace galago {

SlicePlan plan_square(int, int, const SliceOptions& options) {
  return {{{.width = options.tile, .height = options.tile, .filter = options.filter, .name = "global"}}};
}

}  // namespace galago
