// Ids and sizes: ggml-org/ggml, include/ggml.h and src/ggml-common.h; ids of ikawrakow/ik_llama.cpp for the message.
#include "formats/gguf_types.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"

namespace galago {
namespace {

struct ValueType {
  std::string_view name;
  uint32_t bytes;
};
constexpr ValueType kValueTypes[kGgufTypes] = {{"u8", 1},  {"i8", 1},  {"u16", 2},  {"i16", 2},    {"u32", 4},
                                               {"i32", 4}, {"f32", 4}, {"bool", 1}, {"string", 0}, {"array", 0},
                                               {"u64", 8}, {"i64", 8}, {"f64", 8}};

// Known sizes, no decoder: listed by `inspect`, refused when used. The decodable ones are in tensor/dtypes.def.
constexpr GgufTensorType kRecognised[] = {
    {9, "Q8_1", 32, 36},      {15, "Q8_K", 256, 292}, {16, "IQ2_XXS", 256, 66}, {17, "IQ2_XS", 256, 74},
    {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50}, {21, "IQ3_S", 256, 110},  {22, "IQ2_S", 256, 82},
    {25, "I16", 1, 2},        {29, "IQ1_M", 256, 56},
};

struct RemovedType {
  uint32_t id;
  std::string_view name;
};
constexpr RemovedType kRemoved[] = {{4, "Q4_2"},        {5, "Q4_3"},       {31, "Q4_0_4_4"},
                                    {32, "Q4_0_4_8"},   {33, "Q4_0_8_8"},  {36, "IQ4_NL_4_4 (or I2_S)"},
                                    {37, "IQ4_NL_4_8"}, {38, "IQ4_NL_8_8"}};

constexpr uint32_t kGgufIds = 1000;  // dtypes.def uses ids from here for formats that no GGUF file has

bool from_ik_llama(uint32_t id) {
  return (id >= 97 && id <= 99) || (id >= 133 && id <= 158) || (id >= 202 && id <= 399);
}

std::string_view upper_name(const DTypeInfo& type) {
  switch (type.dtype) {
#define DTYPE(name, text, values, bytes, id) \
  case DType::name:                          \
    return #name;
#include "tensor/dtypes.def"
#undef DTYPE
  }
  return type.name;
}

}  // namespace

std::string_view gguf_type_name(GgufType type) { return kValueTypes[static_cast<uint32_t>(type)].name; }

uint32_t gguf_type_bytes(GgufType type) { return kValueTypes[static_cast<uint32_t>(type)].bytes; }

bool is_integer(GgufType type) { return type <= GgufType::I32 || type == GgufType::U64 || type == GgufType::I64; }

// ggml-org/llama.cpp, include/llama.h; of several mixes of one format the plainest.
uint32_t gguf_file_type(DType dtype) {
  struct FileType {
    DType dtype;
    uint32_t number;
  };
  using enum DType;
  constexpr FileType kFileTypes[] = {{F32, 0},     {F16, 1},     {Q4_0, 2},  {Q4_1, 3},   {Q8_0, 7},   {Q5_0, 8},
                                     {Q5_1, 9},    {Q2_K, 10},   {Q3_K, 11}, {Q4_K, 14},  {Q5_K, 16},  {Q6_K, 18},
                                     {IQ4_NL, 25}, {IQ4_XS, 30}, {BF16, 32}, {TQ1_0, 36}, {TQ2_0, 37}, {MXFP4, 38}};
  auto found = std::ranges::find(kFileTypes, dtype, &FileType::dtype);
  return found == std::end(kFileTypes) ? 0 : found->number;
}

GgufTensorType gguf_tensor_type(uint32_t id, const std::string& subject, std::string_view tensor) {
  const DTypeInfo* dtype = id < kGgufIds ? find_dtype_by_file_id(id) : nullptr;
  if (dtype) return {id, upper_name(*dtype), dtype->block_values, dtype->block_bytes, dtype};

  auto recognised = std::ranges::find(kRecognised, id, &GgufTensorType::id);
  if (recognised != std::end(kRecognised)) return *recognised;

  auto removed = std::ranges::find(kRemoved, id, &RemovedType::id);
  if (removed != std::end(kRemoved))
    throw unsupported("{}: tensor {} has type {}, which was removed from the format; requantise the model as Q4_0",
                      subject, tensor, removed->name);
  if (from_ik_llama(id))
    throw unsupported("{}: tensor {} was written by ik_llama.cpp, type {}; get the model as Q4_K, Q6_K or Q8_0",
                      subject, tensor, id);
  throw unsupported("{}: tensor {} has the unknown type {}; this program knows the types up to 42", subject, tensor,
                    id);
}

}  // namespace galago
