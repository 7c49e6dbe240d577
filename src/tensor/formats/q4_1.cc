#include "tensor/formats/block32.h"

namespace galago {

void decode_Q4_1(const void* row, float* values, int64_t n) { Block32<4, true>::decode(row, values, n); }

void encode_Q4_1(const float* values, void* row, int64_t n) { Block32<4, true>::encode(values, row, n); }

}  // namespace galago
