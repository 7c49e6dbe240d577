// Damaged scales are found in every format that has them.
#include "tensor/contents.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace galago {
namespace {

TEST(Contents, NumbersThatAreNotFinite) {
  Tensor x = Tensor::make(DType::F32, {4, 256});
  EXPECT_EQ(first_broken_row(x), std::nullopt);
  x.f32()[2 * 256 + 7] = INFINITY;
  EXPECT_EQ(first_broken_row(x), 2);
  EXPECT_EQ(first_broken_row(encode(x, DType::F16)), 2);
  EXPECT_EQ(first_broken_row(encode(x, DType::BF16)), 2);
  EXPECT_THROW(check_contents(x, "w"), Error);
  EXPECT_EQ(first_broken_row(Tensor::make(DType::I32, {3})), std::nullopt);
  EXPECT_EQ(first_broken_row(Tensor::make(DType::Q4_0, {0, 32})), std::nullopt);
}

// All bytes 0xFF: every f16 scale is not a number, the exponent of MXFP4 is 255. NVFP4 has no such scale.
TEST(Contents, ScalesOfBlocks) {
  for (const DTypeInfo& type : all_dtypes()) {
    if (!type.quantized()) continue;
    SCOPED_TRACE(type.name);
    Tensor w = Tensor::make(type.dtype, {3, 2 * type.block_values});
    EXPECT_EQ(first_broken_row(w), std::nullopt);
    std::memset(w.bytes() + 5 * type.block_bytes, 0xFF, type.block_bytes);
    EXPECT_EQ(first_broken_row(w), type.dtype == DType::NVFP4 ? std::nullopt : std::optional<int64_t>(2));
  }
}

}  // namespace
}  // namespace galago
