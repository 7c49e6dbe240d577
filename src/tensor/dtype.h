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

// 32 values of a block format: value i = scale[i / 16] * code[i] - minimum[i / 16], in f32 and in this order. Every
// block format is this, bit for bit; they differ in how they store it.
struct Unpacked {
  float scale[2] = {}, minimum[2] = {};
  int8_t code[32] = {};
};

struct DTypeInfo {
  DType dtype;
  std::string_view name;
  uint32_t block_values;  // values in one block; 1 for plain numbers
  uint32_t block_bytes;
  uint32_t file_id;  // GGUF type id; 1000 and up never occur in GGUF files
  // To f32, n a multiple of block_values; null for formats that only hold integers.
  void (*decode)(const void* row, float* values, int64_t n);
  // One whole row from f32, byte-identical to ggml where ggml writes the format; null for formats that are only read.
  // importance: [n] mean squares of what each column is multiplied with, or null; formats without a search ignore it.
  void (*encode)(const float* values, void* row, int64_t n, const float* importance);
  // Values 32 * group .. 32 * group + 31 of a row; null for plain numbers.
  void (*unpack)(const void* row, int64_t group, Unpacked& result);

  bool quantized() const { return block_values > 1; }
};

const DTypeInfo& info(DType dtype);
std::span<const DTypeInfo> all_dtypes();
const DTypeInfo* find_dtype(std::string_view name);        // "q4_0", case-insensitive; null if unknown
const DTypeInfo* find_dtype_by_file_id(uint32_t file_id);  // null if unknown

}  // namespace galago
