#include "tensor/formats/block256.h"

namespace galago {

void unpack_Q4_K(const void* row, int64_t group, Unpacked& result) { Block256<4>::unpack(row, group, result); }

void encode_Q4_K(const float* values, void* row, int64_t n, const float* importance) {
  Block256<4>::encode(values, row, n, importance);
}

}  // namespace galago
