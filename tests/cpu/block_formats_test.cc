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

// All products of a few rows of x with kOut rows of a weight.
struct Products {
  static constexpr int64_t kOut = 83, kWidth = 768, kSpan = 256;
  Tensor w, decoded;
  std::vector<float> x;
  int64_t rows;

  Products(const DTypeInfo& type, int64_t n_rows) : rows(n_rows) {
    Rng rng(11);
    w = arbitrary_blocks(type, {kOut, kWidth}, rng);
    decoded = to_f32(w);
    x = exact_activations(rows * kWidth, rng);
  }

  std::vector<float> run(bool exact) const {
    ThreadPool pool(1);
    std::vector<float> y(static_cast<size_t>(rows * kOut));
    Tensor packed = pack_weight(w);
    Tensor scratch = Tensor::make(DType::U8, {static_cast<int64_t>(product_scratch(w.dtype(), rows, kWidth, 1))});
    multiply(pool, packed_matrix(packed, w.dtype(), kOut, kWidth), x.data(), rows, nullptr, exact, y.data(),
             {scratch.bytes(), scratch.n_bytes()});
    return y;
  }

  float weight(int64_t out, int64_t i) const { return decoded.f32()[out * kWidth + i]; }
  float largest_of_span(int64_t out, int64_t i) const {
    float largest = 0;
    for (int64_t j = i / kSpan * kSpan; j < (i / kSpan + 1) * kSpan; ++j)
      largest = std::max(largest, std::fabs(weight(out, j)));
    return largest;
  }

  // Largest error of a product over bound(row, out, sum of magnitudes).
  template <class Bound>
  double worst(const std::vector<float>& y, Bound bound) const {
    double most = 0;
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t out = 0; out < kOut; ++out) {
        double sum = 0, magnitudes = 0;
        for (int64_t i = 0; i < kWidth; ++i) {
          double product = static_cast<double>(x[row * kWidth + i]) * weight(out, i);
          sum += product;
          magnitudes += std::fabs(product);
        }
        most = std::max(most, std::fabs(y[row * kOut + out] - sum) / bound(row, out, magnitudes));
      }
    return most;
  }
};

// Tiles of every height: directly from packed panels (up to 4 rows), and from expanded ones.
TEST_P(BlockFormats, ProductsMatchTheDecodedRows) {
  for (int64_t rows : {1, 2, 3, 4, 23, 64}) {
    const Products products(info(GetParam()), rows);
    for (Isa isa : available_isas()) {
      ScopedIsa scope(isa);
      // Sums of 24 blocks in f32: a few roundings of 6e-8 each, of numbers as large as the sum of magnitudes; where a
      // format has minima, of numbers several times as large.
      auto bound = [](int64_t, int64_t, double magnitudes) { return 2e-6 * magnitudes; };
      EXPECT_LE(products.worst(products.run(true), bound), 1) << to_string(isa) << ", rows " << rows;
    }
  }
}

// Weights of a span become int8 with steps of S, the span's largest weight / 127: an error of S / sqrt(12) each, half
// as much again because the largest weight that scales allow may be larger than the largest there is, and codes of 8
// bits are scaled in 8 bits. Six standard deviations of the sum, for 5,000 sums.
TEST_P(BlockFormats, CoarserProductsStayWithinTheirRounding) {
  const Products products(info(GetParam()), 64);
  std::vector<double> steps(Products::kOut * Products::kWidth);
  for (size_t i = 0; i < steps.size(); ++i)
    steps[i] = products.largest_of_span(i / Products::kWidth, i % Products::kWidth) / 127;
  auto rounding = [&](int64_t row, int64_t out, double magnitudes) {
    double variance = 0;
    for (int64_t i = 0; i < Products::kWidth; ++i) {
      double error = 1.5 * steps[out * Products::kWidth + i] * products.x[row * Products::kWidth + i];
      variance += error * error / 12;
    }
    return 6 * std::sqrt(variance) + 2e-6 * magnitudes;
  };
  for (Isa isa : available_isas()) {
    ScopedIsa scope(isa);
    EXPECT_LE(products.worst(products.run(false), rounding), 1) << to_string(isa);
    if (!kernels().gemm_wide) continue;
    EXPECT_NE(products.run(false), products.run(true)) << "the coarser way was not taken";
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
