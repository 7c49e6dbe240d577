#include "tensor/formats/codec.h"

namespace galago {

void decode_F32(const void* row, float* values, int64_t n) {
  if (n > 0) std::memcpy(values, row, static_cast<size_t>(n) * sizeof(float));
}

void encode_F32(const float* values, void* row, int64_t n, const float*) {
  if (n > 0) std::memcpy(row, values, static_cast<size_t>(n) * sizeof(float));
}

}  // namespace galago
