#include "tensor/formats/block256.h"

namespace galago {

void decode_Q5_K(const void* row, float* values, int64_t n) { Block256<5>::decode(row, values, n); }

void encode_Q5_K(const float* values, void* row, int64_t n) { Block256<5>::encode(values, row, n); }

}  // namespace galago
