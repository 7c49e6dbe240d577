#include "nn/conv_stem.h"

namespace galago {
namespace {

constexpr float kEps = 1e-5f;

// [N, 3, H, W] -> [N * patches, 3, p, p], rows first.
Value cut_patches(Graph& g, Value pixels, int64_t p) {
  Shape in = g.shape(pixels);
  int64_t rows = in[2] / p, cols = in[3] / p;
  Value x = reshape(g, pixels, {in[0], in[1], rows, p, cols, p});
  x = permute(g, x, {0, 2, 4, 1, 3, 5});
  return reshape(g, x, {in[0] * rows * cols, in[1], p, p});
}

Value conv_relu(const Scope& s, Value x, int index, int stride) {
  Graph& g = s.graph();
  Scope conv = s / fmt::format("conv{}", index);
  ConvAttrs attrs{.stride = stride, .padding = 1};
  return unary(g, conv2d(g, x, conv.weight("weight"), conv.weight("bias"), attrs), UnaryKind::Relu);
}

}  // namespace

int ConvStemConfig::stride() const {
  int product = 1;
  for (int stride : strides) product *= stride;
  return product;
}

int ConvStemConfig::features() const {
  int side = each_patch_alone ? patch_size / stride() : 1;
  return channels.back() * side * side;
}

Value conv_stem(const Scope& s, Value pixels, const ConvStemConfig& c) {
  Graph& g = s.graph();
  Shape in = g.shape(pixels);
  int64_t patches = (in[2] / c.patch_size) * (in[3] / c.patch_size);
  Value x = c.each_patch_alone ? cut_patches(g, pixels, c.patch_size) : pixels;
  for (int i = 0; i < static_cast<int>(c.strides.size()); ++i) x = conv_relu(s, x, i, c.strides[i]);
  if (!c.each_patch_alone) {
    x = reshape(g, x, {in[0], c.features(), patches});
    x = permute(g, x, {0, 2, 1});
  }
  x = reshape(g, x, {in[0], patches, c.features()});
  return linear(s / "fc", unary(g, layer_norm(s / "norm", x, kEps), UnaryKind::Relu));
}

}  // namespace galago
