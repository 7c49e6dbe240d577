#include "tensor/contents.h"

#include <cmath>
#include <vector>

namespace galago {
namespace {

constexpr int64_t kGroup = 32;

bool is_sound(const DTypeInfo& type, const Unpacked& u) {
  // The exponent 255 of MXFP4 means "not a number"; ggml decodes it as a power of two all the same.
  if (type.dtype == DType::MXFP4 && u.scale[0] == 0x1p127f) return false;
  return std::isfinite(u.scale[0]) && std::isfinite(u.scale[1]) && std::isfinite(u.minimum[0]) &&
         std::isfinite(u.minimum[1]);
}

bool are_scales_sound(const DTypeInfo& type, const std::byte* row, int64_t n) {
  for (int64_t group = 0; group < n / kGroup; ++group) {
    Unpacked u;
    type.unpack(row, group, u);
    if (!is_sound(type, u)) return false;
  }
  return true;
}

bool are_values_finite(const DTypeInfo& type, const std::byte* row, std::vector<float>& values) {
  type.decode(row, values.data(), std::ssize(values));
  for (float value : values)
    if (!std::isfinite(value)) return false;
  return true;
}

}  // namespace

std::optional<int64_t> first_broken_row(const Tensor& tensor) {
  const DTypeInfo& type = info(tensor.dtype());
  if (!type.decode || tensor.elements() == 0) return {};
  int64_t n = tensor.shape().last();
  std::vector<float> values(type.unpack ? 0 : static_cast<size_t>(n));
  for (int64_t row = 0; row < tensor.shape().rows(); ++row) {
    const std::byte* bytes = tensor.bytes() + static_cast<size_t>(row) * tensor.row_bytes();
    if (!(type.unpack ? are_scales_sound(type, bytes, n) : are_values_finite(type, bytes, values))) return row;
  }
  return {};
}

void check_contents(const Tensor& tensor, std::string_view name) {
  std::optional<int64_t> row = first_broken_row(tensor);
  if (row)
    throw invalid_input("{}: row {} of {} holds numbers that are infinite or not a number; the weight is damaged", name,
                        *row, tensor.shape().rows());
}

}  // namespace galago
