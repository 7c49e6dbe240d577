// Patch embedding by a few 3x3 convolutions instead of one large one: overlapping windows learn shapes from far fewer
// pictures (Xiao et al. 2021, "Early Convolutions Help Transformers See Better"). Then layer norm, ReLU and a linear
// layer.
//
// Weights: conv{i}.{weight,bias}, norm, fc.
#pragma once

#include <vector>

#include "nn/layers.h"

namespace galago {

struct ConvStemConfig {
  int patch_size = 16;
  std::vector<int> channels;      // of the input and after each convolution
  std::vector<int> strides;       // one a convolution
  bool each_patch_alone = false;  // patches are cut first; otherwise the strides multiply to patch_size
  int stride() const;
  int features() const;  // values of one patch after the convolutions
};

// pixels [N, 3, H, W] -> [N, patches, d], rows first.
Value conv_stem(const Scope& s, Value pixels, const ConvStemConfig& c);

}  // namespace galago
