// The type ids of GGUF: of metadata values, and of tensors including those we only recognise.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tensor/dtype.h"

namespace galago {

enum class GgufType : uint32_t { U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64 };
constexpr uint32_t kGgufTypes = 13;

std::string_view gguf_type_name(GgufType type);
uint32_t gguf_type_bytes(GgufType type);  // 0 for strings and arrays
bool is_integer(GgufType type);

// How a tensor type is stored. `dtype` is null if we can list such a tensor but not decode it.
struct GgufTensorType {
  uint32_t id;
  std::string_view name;  // "Q4_K"
  uint32_t block_values, block_bytes;
  const DTypeInfo* dtype = nullptr;
};

// Throws Unsupported naming the type if it was removed from the format, belongs to a fork, or is not known:
// its size cannot be computed then.
GgufTensorType gguf_tensor_type(uint32_t id, const std::string& subject, std::string_view tensor);

// general.file_type, llama.cpp's number of a model that is mostly `dtype`; 0 (all f32) where it has none.
uint32_t gguf_file_type(DType dtype);

}  // namespace galago
