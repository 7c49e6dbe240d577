#include "image/preprocess.h"

#include <gtest/gtest.h>

namespace galago {
namespace {

TEST(ToTensor, PlanesAndNormalisation) {
  Image image = make_image(2, 1);
  image.rgb = {0, 51, 255, 128, 1, 254};
  Tensor plain = to_tensor(image);
  EXPECT_EQ(plain.shape(), Shape({3, 1, 2}));
  const float expected[] = {0, 128 / 255.0f, 51 / 255.0f, 1 / 255.0f, 1, 254 / 255.0f};
  for (int i = 0; i < 6; ++i) EXPECT_EQ(plain.f32()[i], expected[i]) << i;

  Tensor normal = to_tensor(image, {0.5f, 0.25f, 0}, {0.5f, 2, 4});
  EXPECT_EQ(normal.f32()[0], -1.0f);
  EXPECT_EQ(normal.f32()[2], (51 / 255.0f - 0.25f) / 2);
  EXPECT_EQ(normal.f32()[4], 0.25f);
}

}  // namespace
}  // namespace galago
