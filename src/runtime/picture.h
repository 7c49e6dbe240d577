// From a picture to the pixels of Model::encode_image: resize and cut by the model's slicing policy, then normalise.
#pragma once

#include "image/image.h"
#include "runtime/checkpoint.h"

namespace galago {

struct PreparedPicture {
  SlicePlan plan;
  std::vector<Tensor> views;  // one a view of the plan: f32 [tiles, 3, tile height, tile width]
};

// How the model wants pictures; max_tiles > 0: cut into no more tiles than this, where its policy would cut more.
// Throws InvalidInput if it takes no pictures.
PictureSpec picture_spec(const Checkpoint& checkpoint, int max_tiles = 0);
SlicePlan plan_picture(const Image& image, const PictureSpec& spec);

PreparedPicture prepare_picture(const Image& image, const PictureSpec& spec, ThreadPool* pool = nullptr);

}  // namespace galago
