// From a picture to the pixels of Model::encode_image: resize and cut by the model's slicing policy, then normalise.
#pragma once

#include "image/image.h"
#include "models/model.h"

namespace galago {

struct PreparedPicture {
  TileGrid grid;
  Tensor pixels;  // f32 [tiles, 3, S, S]
};

PreparedPicture prepare_picture(const Image& image, const PictureSpec& spec, ThreadPool* pool = nullptr);

}  // namespace galago
