// The number formats of safetensors files.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tensor/dtype.h"

namespace galago {

struct SafetensorsType {
  std::string_view name;
  uint32_t bits;
  std::optional<DType> dtype;  // none: such a tensor can be listed but not used
};

constexpr SafetensorsType kSafetensorsTypes[] = {
    {"F32", 32, DType::F32},  {"F16", 16, DType::F16}, {"BF16", 16, DType::BF16}, {"F64", 64, DType::F64},
    {"I64", 64, DType::I64},  {"I32", 32, DType::I32}, {"I8", 8, DType::I8},      {"U8", 8, DType::U8},
    {"BOOL", 8, DType::BOOL}, {"I16", 16, {}},         {"U16", 16, {}},           {"U32", 32, {}},
    {"U64", 64, {}},          {"C64", 64, {}},         {"F8_E5M2", 8, {}},        {"F8_E4M3", 8, {}},
    {"F8_E8M0", 8, {}},       {"F8_E4M3FNUZ", 8, {}},  {"F8_E5M2FNUZ", 8, {}},    {"F4", 4, {}},
    {"F6_E2M3", 6, {}},       {"F6_E3M2", 6, {}},
};

}  // namespace galago
