#include "tensor/formats/block256.h"

namespace galago {

void decode_Q4_K(const void* row, float* values, int64_t n) { Block256<4>::decode(row, values, n); }

void encode_Q4_K(const float* values, void* row, int64_t n) { Block256<4>::encode(values, row, n); }

}  // namespace galago
