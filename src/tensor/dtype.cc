#include "tensor/dtype.h"

#include <algorithm>

#include "base/error.h"
#include "tensor/formats/codec.h"

namespace galago {
namespace {

// The formats without a codec. A new format is not in this list, so without its encode and decode it does not link.
constexpr bool holds_integers(DType dtype) {
  return dtype == DType::I8 || dtype == DType::I32 || dtype == DType::I64 || dtype == DType::U8 || dtype == DType::BOOL;
}

#define CODEC(name, function)                    \
  []() -> decltype(&function##_F32) {            \
    if constexpr (holds_integers(DType::name)) { \
      return nullptr;                            \
    } else {                                     \
      return function##_##name;                  \
    }                                            \
  }()

constexpr DTypeInfo kTable[] = {
#define DTYPE(name, text, values, bytes, id) \
  {DType::name, text, values, bytes, id, CODEC(name, decode), CODEC(name, encode)},
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
