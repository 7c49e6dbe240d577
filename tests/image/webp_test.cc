// WebP made with libwebp's own encoder: alpha, and an animation wrapped by hand.
#include <webp/encode.h>

#include "base/error.h"
#include "image/exif.h"
#include "tests/image/image_files.h"

namespace galago {
namespace {

std::string le32_text(uint32_t v) {
  return {static_cast<char>(v), static_cast<char>(v >> 8), static_cast<char>(v >> 16), static_cast<char>(v >> 24)};
}
std::string le24_text(uint32_t v) { return le32_text(v).substr(0, 3); }

std::string make_chunk(const std::string& name, const std::string& payload) {
  return name + le32_text(static_cast<uint32_t>(payload.size())) + payload + std::string(payload.size() % 2, '\0');
}

std::string make_riff(const std::string& chunks) { return make_chunk("RIFF", "WEBP" + chunks); }

// 2 x 2 pixels: (10 x, 20 y, 30), alpha as given. With partial alpha libwebp would be free to change hidden colours.
std::string make_still(uint8_t alpha) {
  std::vector<uint8_t> rgba;
  for (uint8_t y = 0; y < 2; ++y)
    for (uint8_t x = 0; x < 2; ++x) rgba.insert(rgba.end(), {uint8_t(10 * x), uint8_t(20 * y), 30, alpha});
  uint8_t* out = nullptr;
  size_t size = WebPEncodeLosslessRGBA(rgba.data(), 2, 2, 8, &out);
  std::string webp(reinterpret_cast<char*>(out), size);
  WebPFree(out);
  return webp;
}

Image decode_text(const std::string& bytes) { return decode_image(std::as_bytes(std::span(bytes)), "x"); }

const std::vector<uint8_t> kPixels = {0, 0, 30, 10, 0, 30, 0, 20, 30, 10, 20, 30};

TEST(WebP, LosslessWithAndWithoutAlpha) {
  EXPECT_EQ(decode_text(make_still(255)).rgb, kPixels);
  EXPECT_EQ(decode_text(make_still(100)).rgb, kPixels);
}

std::string make_animation(uint32_t x, uint32_t y) {
  std::string still = make_still(255);
  Bytes bytes(reinterpret_cast<const uint8_t*>(still.data()), still.size());
  std::string pixels = make_chunk("VP8L", std::string(as_text(find_webp_chunk(bytes, "VP8L"))));
  std::string frame =
      le24_text(x / 2) + le24_text(y / 2) + le24_text(1) + le24_text(1) + le24_text(100) + '\0' + pixels;
  std::string canvas = le32_text(0x02) + le24_text(4) + le24_text(3);  // animation; 5 x 4
  return make_riff(make_chunk("VP8X", canvas) + make_chunk("ANIM", std::string("\xff\xff\xff\xff\0\0", 6)) +
                   make_chunk("ANMF", frame));
}

TEST(WebP, FirstFrameOfAnAnimationOnABlackCanvas) {
  Image image = decode_text(make_animation(2, 2));
  ASSERT_EQ(image.width, 5);
  ASSERT_EQ(image.height, 4);
  for (int y = 0; y < 4; ++y) {
    for (int x = 0; x < 5; ++x) {
      bool covered = x >= 2 && x < 4 && y >= 2;
      for (int c = 0; c < 3; ++c)
        EXPECT_EQ(image.pixel(x, y)[c], covered ? kPixels[static_cast<size_t>(6 * (y - 2) + 3 * (x - 2) + c)] : 0);
    }
  }
  EXPECT_THROW(decode_text(make_animation(4, 2)), Error);
  EXPECT_THROW(decode_text(make_animation(2, 4)), Error);
}

}  // namespace
}  // namespace galago
