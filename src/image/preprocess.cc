#include "image/preprocess.h"

namespace galago {
namespace {

// A channel has only 256 values, so all the arithmetic is done before the loop.
std::array<float, 256> make_table(float mean, float std) {
  CHECK(std != 0, "standard deviation 0");
  std::array<float, 256> table;
  for (int value = 0; value < 256; ++value) table[value] = (static_cast<float>(value) / 255.0f - mean) / std;
  return table;
}

}  // namespace

Tensor to_tensor(const Image& image, const Rgb& mean, const Rgb& std) {
  Tensor tensor = Tensor::make(DType::F32, {3, image.height, image.width});
  size_t n_pixels = static_cast<size_t>(image.width) * static_cast<size_t>(image.height);
  float* out = tensor.f32().data();
  for (size_t channel = 0; channel < 3; ++channel, out += n_pixels) {
    std::array<float, 256> table = make_table(mean[channel], std[channel]);
    const uint8_t* in = image.rgb.data() + channel;
    for (size_t i = 0; i < n_pixels; ++i) out[i] = table[in[3 * i]];
  }
  return tensor;
}

}  // namespace galago
