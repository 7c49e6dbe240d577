// f64 is read from checkpoints only; nothing computes with it.
#include "tensor/formats/codec.h"

namespace galago {

void decode_F64(const void* row, float* values, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    double value;
    std::memcpy(&value, static_cast<const uint8_t*>(row) + 8 * i, 8);
    values[i] = static_cast<float>(value);
  }
}

void encode_F64(const float* values, void* row, int64_t n, const float*) {
  for (int64_t i = 0; i < n; ++i) {
    double value = values[i];
    std::memcpy(static_cast<uint8_t*>(row) + 8 * i, &value, 8);
  }
}

}  // namespace galago
