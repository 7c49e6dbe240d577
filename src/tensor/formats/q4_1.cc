#include "tensor/formats/block32.h"

namespace galago {

void unpack_Q4_1(const void* row, int64_t group, Unpacked& result) { Block32<4, true>::unpack(row, group, result); }

void encode_Q4_1(const float* values, void* row, int64_t n, const float* importance) {
  Block32<4, true>::encode(values, row, n, importance);
}

}  // namespace galago
