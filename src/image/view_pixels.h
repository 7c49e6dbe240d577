// The pixels of a slicing plan, view by view, so that one can be used while the next is made. What slicing.h gives of a
// whole plan is made of this; runtime/picture_encoder.cc hands the views on one by one.
#pragma once

#include <vector>

#include "image/slicing.h"

namespace galago {

// Picture and plan must outlive it. CHECKs and throws as cut_tiles(). One thread.
class ViewPixels {
 public:
  ViewPixels(const Image& image, const SlicePlan& plan, const Rgb& mean, const Rgb& std, ThreadPool* pool = nullptr);
  Tensor planes(size_t view);  // the canvas, normalised: f32 [3, height, width]
  Tensor tiles(size_t view);   // what a model takes: f32 [tiles, 3, tile height, tile width], as slice_pixels()

 private:
  Tensor make(const SliceView& view);
  bool others_need(size_t view) const;

  const Image& image_;
  const SlicePlan& plan_;
  Rgb mean_, std_;
  ThreadPool* pool_;
  std::vector<Tensor> kept_;  // canvases that other views are made from
};

}  // namespace galago
