#include "tensor/dtype.h"

#include <algorithm>

#include "base/error.h"
#include "tensor/formats/codec.h"

namespace galago {
namespace {

// What a format can do. A new one can do everything, so without its functions it does not link.
constexpr bool holds_integers(DType dtype) {
  return dtype == DType::I8 || dtype == DType::I32 || dtype == DType::I64 || dtype == DType::U8 || dtype == DType::BOOL;
}

constexpr bool only_read(DType dtype) {
  return dtype == DType::TQ1_0 || dtype == DType::TQ2_0 || dtype == DType::MXFP4 || dtype == DType::NVFP4 ||
         dtype == DType::Q1_0 || dtype == DType::Q2_0;
}

using Unpack = void(const void* row, int64_t group, Unpacked& result);

template <Unpack* kUnpack>
void decode_groups(const void* row, float* values, int64_t n) {
  for (int64_t group = 0; group < n / kGroupValues; ++group, values += kGroupValues) {
    Unpacked u;
    kUnpack(row, group, u);
    for (int i = 0; i < kGroupValues; ++i)
      values[i] = u.scale[i / 16] * static_cast<float>(u.code[i]) - u.minimum[i / 16];
  }
}

#define CODEC(type, text, values, bytes, id)                                                           \
  [] {                                                                                                 \
    DTypeInfo row{DType::type, text, values, bytes, id, {}, {}, {}};                                   \
    if constexpr (!holds_integers(DType::type) && !only_read(DType::type)) row.encode = encode_##type; \
    if constexpr ((values) > 1) {                                                                      \
      row.unpack = unpack_##type;                                                                      \
      row.decode = decode_groups<unpack_##type>;                                                       \
    } else if constexpr (!holds_integers(DType::type)) {                                               \
      row.decode = decode_##type;                                                                      \
    }                                                                                                  \
    return row;                                                                                        \
  }(),

constexpr DTypeInfo kTable[] = {
#define DTYPE(...) CODEC(__VA_ARGS__)
#include "tensor/dtypes.def"
#undef DTYPE
};
#undef CODEC

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_word(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

const DTypeInfo& info(DType dtype) {
  auto index = static_cast<size_t>(dtype);
  CHECK(index < std::size(kTable), "number format {}", index);
  return kTable[index];
}

std::span<const DTypeInfo> all_dtypes() { return kTable; }

const DTypeInfo* find_dtype(std::string_view name) {
  auto found = std::ranges::find_if(kTable, [&](const DTypeInfo& type) { return same_word(type.name, name); });
  return found == std::end(kTable) ? nullptr : found;
}

const DTypeInfo* find_dtype_by_file_id(uint32_t file_id) {
  auto found = std::ranges::find(kTable, file_id, &DTypeInfo::file_id);
  return found == std::end(kTable) ? nullptr : found;
}

}  // namespace galago
