// Q8_0: blocks of 32 values in 34 bytes: f16 d; i8 q[32]. value = q * d.
#include <algorithm>

#include "tensor/formats/codec.h"

namespace galago {
namespace {
constexpr int kValues = 32, kBytes = 34;
}

void decode_Q8_0(const void* row, float* values, int64_t n) {
  const auto* block = static_cast<const uint8_t*>(row);
  for (; n > 0; n -= kValues, block += kBytes, values += kValues) {
    float d = load_f16(block);
    for (int i = 0; i < kValues; ++i) values[i] = static_cast<float>(static_cast<int8_t>(block[2 + i])) * d;
  }
}

// The codes use d before it is rounded to f16.
void encode_Q8_0(const float* values, void* row, int64_t n) {
  auto* block = static_cast<uint8_t*>(row);
  for (; n > 0; n -= kValues, block += kBytes, values += kValues) {
    float d = std::fabs(signed_max(values, kValues)) / 127.0f;
    float inverse = reciprocal_or_zero(d);
    store_f16(block, d);
    for (int i = 0; i < kValues; ++i)
      block[2 + i] = static_cast<uint8_t>(std::clamp(round_away(values[i] * inverse), -128, 127));
  }
}

}  // namespace galago
