#include "image/write_png.h"

#include <unistd.h>

#include <numeric>

#include "base/error.h"
#include "base/rng.h"
#include "tests/image/image_files.h"

namespace galago {
namespace {

Image make_noise(int width, int height) {
  Rng rng(3);
  Image image = make_image(width, height);
  for (uint8_t& byte : image.rgb) byte = static_cast<uint8_t>(rng.below(256));
  return image;
}

TEST(EncodePng, RoundTripIsExact) {
  for (auto [width, height] : {std::pair{1, 1}, {7, 33}, {300, 2}}) {
    Image image = make_noise(width, height);
    Image back = decode_image(encode_png(image), "made.png");
    EXPECT_EQ(back.rgb, image.rgb);
    EXPECT_EQ(back.facts.format, "PNG");
  }
}

TEST(WritePng, FileRoundTripAndClearError) {
  std::string path = testing::TempDir() + "galago_write_png_" + std::to_string(::getpid()) + ".png";
  Image image = make_noise(20, 10);
  write_png(path, image);
  EXPECT_EQ(load_image(path).rgb, image.rgb);
  std::filesystem::remove(path);
  EXPECT_THROW(write_png("/nonexistent-folder/a.png", image), Error);
}

TEST(EncodeJpeg, QualityControlsSizeAndError) {
  Image image = make_image(64, 48);
  for (int y = 0; y < 48; ++y)
    for (int x = 0; x < 64; ++x) image.pixel(x, y)[0] = image.pixel(x, y)[1] = static_cast<uint8_t>(2 * x + y);
  auto good = encode_jpeg(image, 95), small = encode_jpeg(image, 10);
  EXPECT_LT(small.size(), good.size());
  Image back = decode_image(good, "made.jpg");
  ASSERT_EQ(back.rgb.size(), image.rgb.size());
  EXPECT_EQ(back.facts.format, "JPEG");
  int worst = 0;
  for (size_t i = 0; i < image.rgb.size(); ++i) worst = std::max(worst, std::abs(back.rgb[i] - image.rgb[i]));
  EXPECT_LE(worst, 8);  // a smooth ramp at quality 95; measured 3
}

TEST(EncodeJpeg, TooLongForTheFormat) { EXPECT_THROW(encode_jpeg(make_image(65501, 1), 90), Error); }

}  // namespace
}  // namespace galago
