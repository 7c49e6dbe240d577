#include "tensor/formats/block256.h"

namespace galago {

void unpack_Q5_K(const void* row, int64_t group, Unpacked& result) { Block256<5>::unpack(row, group, result); }

void encode_Q5_K(const float* values, void* row, int64_t n, const float* importance) {
  Block256<5>::encode(values, row, n, importance);
}

}  // namespace galago
