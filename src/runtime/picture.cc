#include "runtime/picture.h"

#include <algorithm>

#include "base/error.h"

namespace galago {

PictureSpec picture_spec(const Checkpoint& checkpoint, int max_tiles) {
  PictureSpec spec = checkpoint.model->pictures();
  if (spec.policy.empty()) throw invalid_input("{}: this model takes no pictures", checkpoint.path);
  if (max_tiles > 0) spec.slice.max_tiles = std::min(spec.slice.max_tiles, max_tiles);
  spec.slice.min_tiles = std::min(spec.slice.min_tiles, spec.slice.max_tiles);
  return spec;
}

SlicePlan plan_picture(const Image& image, const PictureSpec& spec) {
  return find_slicing_policy(spec.policy).plan(image.width, image.height, spec.slice);
}

PreparedPicture prepare_picture(const Image& image, const PictureSpec& spec, ThreadPool* pool) {
  SlicePlan plan = plan_picture(image, spec);
  std::vector<Tensor> views = slice_pixels(image, plan, spec.mean, spec.std, pool);
  return {std::move(plan), std::move(views)};
}

}  // namespace galago
