#include "tests/support/golden.h"

#include <cmath>

#include "base/rng.h"

namespace galago::testing {

double hashed_uniform(std::string_view name, uint64_t index) {
  uint64_t h = 0xcbf29ce484222325ull;
  for (char c : name) h = (h ^ static_cast<uint8_t>(c)) * 0x100000001b3ull;
  return static_cast<double>(splitmix64(h + (index + 1) * 0x9E3779B97F4A7C15ull) >> 40) * 0x1.0p-24;
}

Tensor hashed_tensor(std::string_view name, const Shape& shape, bool wide) {
  Tensor tensor = Tensor::make(DType::F32, shape);
  double fan = 1;
  for (int i = 1; i < shape.rank(); ++i) fan *= static_cast<double>(shape[i]);
  for (int64_t i = 0; i < shape.elements(); ++i) {
    double r = 2 * hashed_uniform(name, static_cast<uint64_t>(i)) - 1;
    double value = wide ? 0.5 * r
                   : shape.rank() >= 2 ? r / std::sqrt(fan)
                   : name.ends_with(".weight") ? 1 + 0.1 * r
                                               : 0.1 * r;
    tensor.f32()[i] = static_cast<float>(value);
  }
  return tensor;
}

double mixed_uniform(std::string_view name, uint32_t index) {
  uint32_t h = 0x811C9DC5;
  for (char c : name) h = (h ^ static_cast<uint8_t>(c)) * 0x01000193;
  uint32_t x = h + index * 0x9E3779B9;
  x = (x ^ (x >> 16)) * 0x85EBCA6B;
  x = (x ^ (x >> 13)) * 0xC2B2AE35;
  x ^= x >> 16;
  return 2 * (static_cast<double>(x >> 8) * 0x1.0p-24) - 1;
}

Tensor mixed_values(std::string_view name, const Shape& shape) {
  Tensor tensor = Tensor::make(DType::F32, shape);
  for (int64_t i = 0; i < shape.elements(); ++i)
    tensor.f32()[i] = static_cast<float>(mixed_uniform(name, static_cast<uint32_t>(i)));
  return tensor;
}

Tensor mixed_tensor(std::string_view name, const Shape& shape) {
  Tensor tensor = mixed_values(name, shape);
  bool is_table = name.find("embedding") != name.npos && name.find("patch_embedding") == name.npos;
  if (is_table || name.ends_with("_GN")) return tensor;
  double fan_in = static_cast<double>(shape.elements()) / static_cast<double>(shape[0]);
  bool is_matrix = shape.rank() >= 2, is_bias = name.ends_with("bias");
  double scale = is_matrix ? std::sqrt(3 / fan_in) : 0.1, shift = is_matrix || is_bias ? 0 : 1;
  for (int64_t i = 0; i < shape.elements(); ++i)
    tensor.f32()[i] = static_cast<float>(shift + scale * mixed_uniform(name, static_cast<uint32_t>(i)));
  return tensor;
}

Summary summarise(std::span<const float> values) {
  Summary s;
  for (float v : values) {
    s.sum += v;
    s.sumsq += static_cast<double>(v) * v;
  }
  size_t n = std::min<size_t>(4, values.size());
  s.first.assign(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(n));
  s.last.assign(values.end() - static_cast<std::ptrdiff_t>(n), values.end());
  return s;
}

}  // namespace galago::testing
