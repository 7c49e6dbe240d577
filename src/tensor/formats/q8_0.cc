// Q8_0: blocks of 32 values in 34 bytes: f16 d; i8 q[32]. value = q * d.
#include <algorithm>

#include "tensor/formats/codec.h"

namespace galago {
namespace {
constexpr int kValues = 32, kBytes = 34;
}

void unpack_Q8_0(const void* row, int64_t group, Unpacked& u) {
  const uint8_t* block = static_cast<const uint8_t*>(row) + group * kBytes;
  set_scale(u, load_f16(block));
  std::memcpy(u.code, block + 2, kValues);
}

// The codes use d before it is rounded to f16.
void encode_Q8_0(const float* values, void* row, int64_t n, const float*) {
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
