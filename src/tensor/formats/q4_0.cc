#include "tensor/formats/block32.h"

namespace galago {

void unpack_Q4_0(const void* row, int64_t group, Unpacked& result) { Block32<4, false>::unpack(row, group, result); }

void encode_Q4_0(const float* values, void* row, int64_t n, const float* importance) {
  Block32<4, false>::encode(values, row, n, importance);
}

}  // namespace galago
