#include "tensor/formats/codec.h"

namespace galago {

void decode_F16(const void* row, float* values, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    uint16_t half;
    std::memcpy(&half, static_cast<const uint8_t*>(row) + 2 * i, 2);
    values[i] = f16_to_f32(half);
  }
}

void encode_F16(const float* values, void* row, int64_t n, const float*) {
  for (int64_t i = 0; i < n; ++i) {
    uint16_t half = f32_to_f16(values[i]);
    std::memcpy(static_cast<uint8_t*>(row) + 2 * i, &half, 2);
  }
}

}  // namespace galago
