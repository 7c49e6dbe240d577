#include "image/draw.h"

#include <gtest/gtest.h>

#include <climits>

namespace galago {
namespace {

// The red channel, one letter a pixel: '.' is 0, '#' is 255, else the digit.
std::string picture(const Image& image) {
  std::string text;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      int red = image.pixel(x, y)[0];
      text += red == 0 ? '.' : red == 255 ? '#' : static_cast<char>('0' + red);
    }
    text += '\n';
  }
  return text;
}

TEST(Draw, FillIsClipped) {
  Image image = make_image(4, 3);
  fill_rect(image, {-2, 1, 4, INT_MAX}, {255, 0, 0});
  EXPECT_EQ(picture(image), "....\n##..\n##..\n");
  fill_rect(image, {5, 0, 3, 3}, {255, 0, 0});
  fill_rect(image, {0, 0, -1, 3}, {255, 0, 0});
  EXPECT_EQ(picture(image), "....\n##..\n##..\n");
}

TEST(Draw, OutlineGrowsInwards) {
  Image image = make_image(6, 6);
  outline_rect(image, {0, 1, 6, 5}, {255, 0, 0});
  EXPECT_EQ(picture(image), "......\n######\n#....#\n#....#\n#....#\n######\n");
  image = make_image(6, 3);
  outline_rect(image, {1, 0, 4, 3}, {255, 0, 0}, 9);
  EXPECT_EQ(picture(image), ".####.\n.####.\n.####.\n");
}

TEST(Draw, PasteAndCropAreClipped) {
  Image stamp = make_image(2, 2, {1, 0, 0});
  stamp.pixel(1, 1)[0] = 2;
  Image image = make_image(3, 3);
  paste(image, stamp, 2, 2);
  paste(image, stamp, -1, -1);
  paste(image, stamp, 3, 0);
  EXPECT_EQ(picture(image), "2..\n...\n..1\n");
  EXPECT_EQ(picture(crop(image, {1, 1, 9, 9})), "..\n.1\n");
}

}  // namespace
}  // namespace galago
