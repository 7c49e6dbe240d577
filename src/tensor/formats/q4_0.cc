#include "tensor/formats/block32.h"

namespace galago {

void decode_Q4_0(const void* row, float* values, int64_t n) { Block32<4, false>::decode(row, values, n); }

void encode_Q4_0(const float* values, void* row, int64_t n) { Block32<4, false>::encode(values, row, n); }

}  // namespace galago
