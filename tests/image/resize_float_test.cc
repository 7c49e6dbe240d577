// Resizing of floats against torch 2.15: interpolate(mode, antialias), seven by five numbers in three planes.
#include "image/resize_float.h"

#include <gtest/gtest.h>

#include "base/thread_pool.h"
#include "image/preprocess.h"

namespace galago {
namespace {

enum class Kind { Torch, Bicubic, Bilinear };  // bicubic; bicubic and bilinear with antialias=True

Tensor make_numbers() {
  Tensor numbers = Tensor::make(DType::F32, {3, 5, 7});
  for (int i = 0; i < 105; ++i) numbers.f32()[i] = static_cast<float>((7 * i * i + 13 * i + i * 5 / 3) % 97 / 48.0 - 1);
  return numbers;
}

Tensor resize_as(Kind kind, const Tensor& in, int width, int height, ThreadPool* pool = nullptr) {
  if (kind == Kind::Torch) return resize_torch_bicubic(in, width, height, pool);
  return resize_antialiased(in, width, height, kind == Kind::Bicubic ? Filter::Bicubic : Filter::Bilinear, pool);
}

struct Case {
  int width, height;
  Kind kind;
  double sum, sum_of_squares;
  float first[3];
};
constexpr Case kCases[] = {
    {4, 3, Kind::Torch, 2.1776618, 6.6003152, {-0.427691f, -0.162384f, 0.285379f}},
    {4, 3, Kind::Bicubic, 2.5500019, 2.6754835, {-0.261874f, -0.149332f, 0.001828f}},
    {4, 3, Kind::Bilinear, 2.4590280, 2.2817645, {-0.279337f, -0.153095f, 0.000952f}},
    {9, 6, Kind::Torch, 10.4270391, 39.8773089, {-1.091027f, -0.859099f, -0.118792f}},
    {9, 6, Kind::Bicubic, 10.3636307, 35.4947163, {-1.064471f, -0.806847f, -0.165307f}},
    {9, 6, Kind::Bilinear, 9.9699074, 26.5766543, {-1.000000f, -0.708333f, -0.229167f}},
    {1, 1, Kind::Torch, 0.6041667, 1.0837674, {-0.145833f, 1.000000f, -0.250000f}},
    {1, 1, Kind::Bicubic, 0.2327221, 0.0618457, {-0.037277f, 0.244559f, 0.025440f}},
    {1, 1, Kind::Bilinear, 0.2397463, 0.0660481, {-0.037340f, 0.253141f, 0.023945f}},
    {7, 5, Kind::Torch, 6.7708334, 35.1757815, {-1.000000f, -0.562500f, 0.187500f}},
    {7, 5, Kind::Bicubic, 6.7708334, 35.1757815, {-1.000000f, -0.562500f, 0.187500f}},
    {7, 5, Kind::Bilinear, 6.7708334, 35.1757815, {-1.000000f, -0.562500f, 0.187500f}},
    {3, 11, Kind::Torch, 5.9486760, 30.2924822, {-0.939171f, -0.926904f, 0.124609f}},
    {3, 11, Kind::Bicubic, 6.4036168, 10.5629899, {-0.687537f, -0.137032f, 0.237552f}},
    {3, 11, Kind::Bilinear, 6.5077273, 8.6606957, {-0.558036f, -0.185049f, 0.172619f}},
};

TEST(ResizeFloat, EqualsTorch) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(testing::Message() << c.width << "x" << c.height << " " << static_cast<int>(c.kind));
    Tensor out = resize_as(c.kind, make_numbers(), c.width, c.height);
    ASSERT_EQ(out.shape(), Shape({3, c.height, c.width}));
    double sum = 0, squares = 0;
    for (float value : out.f32()) sum += value, squares += double(value) * value;
    // torch's weights are floats: each value is right to about 3e-7, a sum of at most 162 of them to 1e-5
    EXPECT_NEAR(sum, c.sum, 1e-5);
    EXPECT_NEAR(squares, c.sum_of_squares, 2e-5);
    for (int i = 0; i < 3; ++i) EXPECT_NEAR(out.f32()[i], c.first[i], 1e-6) << i;
  }
}

TEST(ResizeFloat, ThreadsChangeNothing) {
  ThreadPool pool(3);
  for (const Case& c : kCases) {
    Tensor alone = resize_as(c.kind, make_numbers(), c.width, c.height);
    Tensor shared = resize_as(c.kind, make_numbers(), c.width, c.height, &pool);
    EXPECT_TRUE(std::equal(alone.f32().begin(), alone.f32().end(), shared.f32().begin()));
  }
}

// The same kernels as for bytes: the only differences are the two roundings there.
TEST(ResizeFloat, IsTheByteResizeWithoutRounding) {
  Image image = make_image(40, 30);
  for (size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<uint8_t>(80 + (i * i + 5 * i) % 90);
  for (Filter filter : {Filter::Bilinear, Filter::Bicubic, Filter::Lanczos}) {
    Tensor bytes = to_tensor(resize(image, 17, 50, filter));
    Tensor floats = resize_antialiased(to_tensor(image), 17, 50, filter);
    for (int64_t i = 0; i < bytes.elements(); ++i)  // the rounding between the passes may be enlarged a little
      ASSERT_NEAR(bytes.f32()[i] * 255, floats.f32()[i] * 255, 1.3) << filter_name(filter);
  }
}

}  // namespace
}  // namespace galago
