#include "tensor/formats/block32.h"

namespace galago {

void decode_Q5_0(const void* row, float* values, int64_t n) { Block32<5, false>::decode(row, values, n); }

void encode_Q5_0(const float* values, void* row, int64_t n) { Block32<5, false>::encode(values, row, n); }

}  // namespace galago
