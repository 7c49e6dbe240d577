#include "runtime/picture.h"

#include <cstring>

namespace galago {

PreparedPicture prepare_picture(const Image& image, const PictureSpec& spec, ThreadPool* pool) {
  SlicePlan plan = find_slicing_policy(spec.policy).plan(image.width, image.height, spec.slice);
  std::vector<Image> tiles = cut_tiles(image, plan, pool);
  int64_t n = static_cast<int64_t>(tiles.size()), side = spec.slice.tile;
  PreparedPicture result{
      .grid = {.rows = plan.rows, .cols = plan.cols, .global_first = plan.global == SlicePlan::Global::First},
      .pixels = Tensor::make(DType::F32, {n, 3, side, side})};
  for (int64_t i = 0; i < n; ++i) {
    Tensor tile = to_tensor(tiles[i], spec.mean, spec.std);
    CHECK(tile.shape() == Shape({3, side, side}));
    std::memcpy(result.pixels.rows(i, i + 1).bytes(), tile.bytes(), tile.n_bytes());
  }
  return result;
}

}  // namespace galago
