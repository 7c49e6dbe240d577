// From a picture to the pixels of Model::encode_image: resize and cut by the model's slicing policy, then normalise.
#pragma once

#include "image/image.h"
#include "models/model.h"

namespace galago {

struct PreparedPicture {
  SlicePlan plan;
  std::vector<Tensor> views;  // one a view of the plan: f32 [tiles, 3, tile height, tile width]
};

PreparedPicture prepare_picture(const Image& image, const PictureSpec& spec, ThreadPool* pool = nullptr);

}  // namespace galago
