// Number formats: how values are stored. A quantized row is a whole number of blocks.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace galago {

enum class DType : uint8_t {
#define DTYPE(name, text, values, bytes, id) name,
#include "tensor/dtypes.def"
#undef DTYPE
};

struct DTypeInfo {
  DType dtype;
  std::string_view name;
  uint32_t block_values;  // values in one block; 1 for plain numbers
  uint32_t block_bytes;
  uint32_t file_id;  // GGUF type id; 1000 and up never occur in GGUF files
  // Whole rows, n a multiple of block_values. decode: to f32; encode: from f32, byte-identical to ggml where ggml has
  // the format. Both are null for formats that only hold integers.
  void (*decode)(const void* row, float* values, int64_t n);
  void (*encode)(const float* values, void* row, int64_t n);

  bool quantized() const { return block_values > 1; }
};

const DTypeInfo& info(DType dtype);
std::span<const DTypeInfo> all_dtypes();
const DTypeInfo* find_dtype(std::string_view name);      // "q4_0", case-insensitive; null if unknown
const DTypeInfo* find_dtype_by_file_id(uint32_t file_id);  // null if unknown

}  // namespace galago
