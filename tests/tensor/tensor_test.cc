#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <numeric>

namespace galago {
namespace {

TEST(Shape, CountsAndPrints) {
  Shape shape{2, 3, 4};
  EXPECT_EQ(shape.elements(), 24);
  EXPECT_EQ(shape.rows(), 6);
  EXPECT_EQ(shape.last(), 4);
  EXPECT_EQ(shape[-1], 4);
  EXPECT_EQ(shape.to_string(), "2 x 3 x 4");
  EXPECT_EQ(Shape().to_string(), "scalar");
  EXPECT_EQ(Shape().elements(), 1);
  EXPECT_EQ(Shape({0, 5}).elements(), 0);
  EXPECT_FALSE(shape == Shape({2, 3}));
  EXPECT_FALSE(shape == Shape({2, 3, 5}));
}

TEST(ShapeDeathTest, RefusesWrongAxes) {
  EXPECT_DEATH(Shape({2, 3})[2], "axis 2 of a tensor with 2 dimensions");
  EXPECT_DEATH(Shape({-1}), "dimension 0 is -1");
}

TEST(Tensor, ViewsShareStorage) {
  std::vector<float> values(12);
  std::iota(values.begin(), values.end(), 0.0f);
  Tensor tensor = Tensor::from({4, 3}, values);
  Tensor middle = tensor.rows(1, 3);
  EXPECT_EQ(middle.shape(), Shape({2, 3}));
  EXPECT_EQ(middle.f32()[0], 3.0f);
  middle.f32()[0] = 100;
  EXPECT_EQ(tensor.f32()[3], 100.0f);
  EXPECT_EQ(tensor.reshaped({2, 6}).f32()[3], 100.0f);
  EXPECT_EQ(tensor.rows(4, 4).elements(), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.bytes()) % 64, 0u);
}

TEST(Tensor, BytesOfBlocks) {
  EXPECT_EQ(Tensor::make(DType::Q4_K, {3, 512}).n_bytes(), 3u * 2 * 144);
  EXPECT_EQ(Tensor::make(DType::Q4_K, {3, 512}).rows(1, 2).n_bytes(), 288u);
  EXPECT_EQ(row_bytes(DType::Q8_0, 64), 68u);
  EXPECT_DEATH(row_bytes(DType::Q8_0, 33), "no whole number of q8_0 blocks");
}

TEST(Tensor, IntegersAreNotDecoded) {
  EXPECT_THROW(to_f32(Tensor::make(DType::I32, {2})), Error);
  Tensor f = Tensor::make(DType::F32, {2});
  EXPECT_EQ(to_f32(f).bytes(), f.bytes());
}

}  // namespace
}  // namespace galago
