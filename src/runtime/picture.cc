#include "runtime/picture.h"

namespace galago {

PreparedPicture prepare_picture(const Image& image, const PictureSpec& spec, ThreadPool* pool) {
  SlicePlan plan = find_slicing_policy(spec.policy).plan(image.width, image.height, spec.slice);
  std::vector<Tensor> views = slice_pixels(image, plan, spec.mean, spec.std, pool);
  return {std::move(plan), std::move(views)};
}

}  // namespace galago
