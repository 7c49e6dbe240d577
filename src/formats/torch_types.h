// The number formats of PyTorch files: the storage classes of their pickles, and the dtype names of newer ones.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tensor/dtype.h"

namespace galago {

struct TorchType {
  std::string_view storage;     // "torch.FloatStorage"; empty: only through UntypedStorage
  std::string_view dtype_name;  // "torch.float32"
  uint32_t bytes;               // of one number in the file
  std::optional<DType> dtype;   // none: such a tensor can be listed but not used
};

// 16-bit integers are widened to i32: none of our formats holds them.
constexpr TorchType kTorchTypes[] = {
    {"torch.FloatStorage", "torch.float32", 4, DType::F32},
    {"torch.HalfStorage", "torch.float16", 2, DType::F16},
    {"torch.BFloat16Storage", "torch.bfloat16", 2, DType::BF16},
    {"torch.DoubleStorage", "torch.float64", 8, DType::F64},
    {"torch.LongStorage", "torch.int64", 8, DType::I64},
    {"torch.IntStorage", "torch.int32", 4, DType::I32},
    {"torch.ShortStorage", "torch.int16", 2, DType::I32},
    {"", "torch.uint16", 2, DType::I32},
    {"torch.CharStorage", "torch.int8", 1, DType::I8},
    {"torch.ByteStorage", "torch.uint8", 1, DType::U8},
    {"torch.BoolStorage", "torch.bool", 1, DType::BOOL},
    {"", "torch.uint32", 4, {}},
    {"", "torch.uint64", 8, {}},
    {"torch.ComplexFloatStorage", "torch.complex64", 8, {}},
    {"torch.ComplexDoubleStorage", "torch.complex128", 16, {}},
    {"torch.QInt8Storage", "torch.qint8", 1, {}},
    {"torch.QUInt8Storage", "torch.quint8", 1, {}},
    {"torch.QInt32Storage", "torch.qint32", 4, {}},
    {"torch.Float8_e4m3fnStorage", "torch.float8_e4m3fn", 1, {}},
    {"torch.Float8_e5m2Storage", "torch.float8_e5m2", 1, {}},
    {"", "torch.float8_e4m3fnuz", 1, {}},
    {"", "torch.float8_e5m2fnuz", 1, {}},
    {"", "torch.float8_e8m0fnu", 1, {}},
};

}  // namespace galago
