// Products with every block format of tensor/dtypes.def, those included that can only be read: rows of arbitrary bytes,
// packed for each instruction set, against a sum in double precision over what the format decodes to.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/rng.h"
#include "cpu/kernels/kernels.h"
#include "cpu/ops/panels.h"

namespace galago::cpu {
namespace {

// Arbitrary bytes, block by block until the values are of ordinary size: a scale may come out infinite or huge.
Tensor arbitrary_blocks(const DTypeInfo& type, const Shape& shape, Rng& rng) {
  Tensor w = Tensor::make(type.dtype, shape);
  std::vector<float> values(type.block_values);
  auto ordinary = [&] { return std::ranges::all_of(values, [](float v) { return std::fabs(v) < 1e4f; }); };
  for (size_t at = 0; at < w.n_bytes(); at += type.block_bytes) {
    do {
      for (uint32_t i = 0; i < type.block_bytes; ++i) w.bytes()[at + i] = static_cast<std::byte>(rng.below(256));
      type.decode(w.bytes() + at, values.data(), type.block_values);
    } while (!ordinary());
  }
  return w;
}

// Multiples of 1/64 with 127/64 in each block of 32: int8 holds them exactly, so that any error is one of the weights.
std::vector<float> exact_activations(int64_t n, Rng& rng) {
  std::vector<float> x(n);
  for (float& v : x) v = static_cast<float>(rng.below(255)) / 64 - 127.0f / 64;
  for (int64_t i = 0; i < n; i += 32) x[i] = 127.0f / 64;
  return x;
}

class BlockFormats : public ::testing::TestWithParam<DType> {};

TEST_P(BlockFormats, ProductsMatchTheDecodedRows) {
  constexpr int64_t kRows = 23, kOut = 83, kWidth = 768;
  Rng rng(11);
  ThreadPool pool(1);
  Tensor w = arbitrary_blocks(info(GetParam()), {kOut, kWidth}, rng), decoded = to_f32(w);
  std::vector<float> x = exact_activations(kRows * kWidth, rng), y(kRows * kOut);
  for (Isa isa : available_isas()) {
    SCOPED_TRACE(to_string(isa));
    ScopedIsa scope(isa);
    Tensor packed = pack_weight(w), scratch = Tensor::make(DType::U8, {1 << 19});
    ASSERT_LE(product_scratch(GetParam(), kRows, kWidth, pool.size()), scratch.n_bytes());
    multiply(pool, packed_matrix(packed, GetParam(), kOut, kWidth), x.data(), kRows, nullptr, y.data(),
             {scratch.bytes(), scratch.n_bytes()});
    for (int64_t row = 0; row < kRows; ++row)
      for (int64_t out = 0; out < kOut; ++out) {
        double sum = 0, largest = 0;
        for (int64_t i = 0; i < kWidth; ++i) {
          double product = static_cast<double>(x[row * kWidth + i]) * decoded.f32()[out * kWidth + i];
          sum += product;
          largest += std::fabs(product);
        }
        // Sums of 24 blocks in f32: a few roundings of 6e-8 each, of numbers as large as the sum of magnitudes; where a
        // format has minima, of numbers several times as large.
        EXPECT_NEAR(y[row * kOut + out], sum, 2e-6 * largest) << row << ", " << out;
      }
  }
}

std::vector<DType> block_formats() {
  std::vector<DType> result;
  for (const DTypeInfo& type : all_dtypes())
    if (type.quantized()) result.push_back(type.dtype);
  return result;
}
INSTANTIATE_TEST_SUITE_P(Each, BlockFormats, ::testing::ValuesIn(block_formats()),
                         [](const auto& param) { return std::string(galago::info(param.param).name); });

}  // namespace
}  // namespace galago::cpu
