// Files that are cut, flipped or lie: an Error or a picture, never a crash, a hang or a huge allocation. Meant to be
// run in a sanitizer build too (-DGALAGO_SANITIZE=address,undefined).
#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "image/write_png.h"
#include "tests/image/image_files.h"

namespace galago {
namespace {

constexpr DecodeLimits kSmall{.max_pixels = 900'000};  // keeps thousands of attempts fast

// True if it decoded; a non-Error exception fails the test by escaping.
bool decodes(std::string_view bytes, const DecodeLimits& limits = kSmall) {
  try {
    Image image = decode_image(std::as_bytes(std::span(bytes)), "x", limits);
    EXPECT_EQ(image.rgb.size(), 3 * static_cast<size_t>(image.width) * static_cast<size_t>(image.height));
    EXPECT_LE(static_cast<uint64_t>(image.width) * static_cast<uint64_t>(image.height), limits.max_pixels);
    return true;
  } catch (const Error& error) {
    EXPECT_TRUE(std::string_view(error.what()).starts_with("x: ")) << error.what();
    return false;
  }
}

std::string message_of(std::string_view bytes, const DecodeLimits& limits = {}) {
  try {
    decode_image(std::as_bytes(std::span(bytes)), "picture", limits);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

void for_each_file(const std::function<void(const std::string& name, const std::string& bytes)>& visit) {
  for (const Json& row : read_rows(kImageDir + "manifest.jsonl")) {
    std::string name = row["file"];
    SCOPED_TRACE(name);
    visit(name, read_file(kImageDir + name));
  }
}

#define SKIP_WITHOUT_SET() \
  if (!std::filesystem::exists(kImageDir)) GTEST_SKIP() << "the shared picture set is not beside the source tree"

TEST(Hostile, CutFilesNeverPassForComplete) {
  SKIP_WITHOUT_SET();
  Rng rng(1);
  int n_cuts = 0;
  for_each_file([&](const std::string& name, const std::string& bytes) {
    for (size_t n = 0; n < std::min<size_t>(bytes.size(), 48); ++n, ++n_cuts) EXPECT_FALSE(decodes(bytes.substr(0, n)));
    for (int i = 0; i < 12; ++i, ++n_cuts) {
      size_t n = static_cast<size_t>(rng.below(static_cast<int64_t>(bytes.size())));
      decodes(bytes.substr(0, n));
    }
    // Half of these two still holds all of the (first) picture; more frames and more data follow it.
    bool complete = name == "fmt_animated.gif" || name == "odd_idat_after_end.png";
    EXPECT_EQ(decodes(bytes.substr(0, bytes.size() / 2)), complete);
  });
  EXPECT_GT(n_cuts, 2500);
}

TEST(Hostile, FlippedBytes) {
  SKIP_WITHOUT_SET();
  Rng rng(2);
  int n_good = 0, n_bad = 0;
  for_each_file([&](const std::string&, const std::string& bytes) {
    if (bytes.size() > 200'000) return;
    for (int i = 0; i < 16; ++i) {
      std::string broken = bytes;
      size_t head = std::min<size_t>(bytes.size(), i % 2 ? 64 : bytes.size());
      for (int k = 0; k < 3; ++k)
        broken[static_cast<size_t>(rng.below(static_cast<int64_t>(head)))] = static_cast<char>(rng.next());
      (decodes(broken) ? n_good : n_bad) += 1;
    }
  });
  EXPECT_GT(n_good, 10);
  EXPECT_GT(n_bad, 100);
}

std::string be32_text(uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8), static_cast<char>(v)};
}

std::string le32_text(uint32_t v) {
  return {static_cast<char>(v), static_cast<char>(v >> 8), static_cast<char>(v >> 16), static_cast<char>(v >> 24)};
}

std::string make_png_header(uint32_t width, uint32_t height) {
  std::string ihdr = "IHDR" + be32_text(width) + be32_text(height) + std::string("\x08\x02\x00\x00\x00", 5);
  auto crc =
      static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(ihdr.data()), static_cast<uInt>(ihdr.size())));
  std::string idat = std::string("\0\0\0\0IDAT", 8) + be32_text(0x35af061e);
  return std::string("\x89PNG\r\n\x1a\n\0\0\0\x0d", 12) + ihdr + be32_text(crc) + idat;
}

TEST(Hostile, SizeLimitsAreChecksOnTheHeader) {
  EXPECT_EQ(
      message_of(make_png_header(65535, 66601)),
      "picture: PNG header says 65535 x 66601 pixels (12.2 GB); the limit is 512 MB. Use --max-pixels to raise it.");
  EXPECT_NE(message_of(make_png_header(70000, 10)).find("no side may be longer than 65535"), std::string::npos);
  EXPECT_NE(message_of(make_png_header(101, 100), {.max_pixels = 10000}).find("the limit is 29 KB"), std::string::npos);
  EXPECT_NE(message_of(make_png_header(0x7fffffff, 0x7fffffff)).find("Use --max-pixels"), std::string::npos);
  EXPECT_NE(message_of(make_png_header(0, 5)).find("PNG"), std::string::npos);
  // Within the limit, but 45 bytes cannot hold 100 megapixels: refused before the pixels are allocated.
  EXPECT_NE(message_of(make_png_header(10000, 10000)).find("data ends after 45 bytes"), std::string::npos);
}

TEST(Hostile, EmptyAndForeignFiles) {
  EXPECT_NE(message_of("").find("the file is empty"), std::string::npos);
  EXPECT_NE(message_of("<svg></svg>").find("expected JPEG, PNG, WebP, GIF or BMP"), std::string::npos);
}

// A BMP of 2 x 2 pixels, 24 bits, bottom-up, as 54 bytes of header and two rows of 8 bytes.
std::string make_bmp() {
  std::string header = "BM" + le32_text(70) + le32_text(0) + le32_text(54) + le32_text(40) + le32_text(2) +
                       le32_text(2) + std::string("\x01\x00\x18\x00", 4) + std::string(24, '\0');
  return header + std::string("\x01\x02\x03\x04\x05\x06\x00\x00", 8) +
         std::string("\x07\x08\x09\x0a\x0b\x0c\x00\x00", 8);
}

void put32(std::string& bytes, size_t at, uint32_t value) { bytes.replace(at, 4, le32_text(value)); }

Image decode_text(const std::string& bytes) { return decode_image(std::as_bytes(std::span(bytes)), "x"); }

TEST(Bmp, BothDirections) {
  std::string bmp = make_bmp();
  EXPECT_EQ(decode_text(bmp).rgb, (std::vector<uint8_t>{9, 8, 7, 12, 11, 10, 3, 2, 1, 6, 5, 4}));
  put32(bmp, 22, static_cast<uint32_t>(-2));
  EXPECT_EQ(decode_text(bmp).rgb, (std::vector<uint8_t>{3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10}));
}

TEST(Bmp, PaletteOf4BitsAndAnIndexBeyondIt) {
  std::string bmp = make_bmp().substr(0, 54) + std::string("\x01\x02\x03\x00\x04\x05\x06\x00", 8) +
                    std::string("\x01\x00\x00\x00\x10\x00\x00\x00", 8);
  bmp[28] = 4;
  put32(bmp, 10, 62);
  put32(bmp, 46, 2);
  EXPECT_EQ(decode_text(bmp).rgb, (std::vector<uint8_t>{6, 5, 4, 3, 2, 1, 3, 2, 1, 6, 5, 4}));
  bmp[62] = 0x0f;
  EXPECT_EQ(decode_text(bmp).rgb, (std::vector<uint8_t>{6, 5, 4, 3, 2, 1, 3, 2, 1, 0, 0, 0}));
}

TEST(Bmp, ThirtyTwoBitsWithMasks) {
  std::string bmp = make_bmp().substr(0, 54) + le32_text(0xff) + le32_text(0xff00) + le32_text(0xff0000) +
                    std::string("\x01\x02\x03\xff\x04\x05\x06\xff", 8) +
                    std::string("\x07\x08\x09\xff\x0a\x0b\x0c\xff", 8);
  bmp[28] = 32;
  put32(bmp, 10, 66);
  put32(bmp, 30, 3);
  EXPECT_EQ(decode_text(bmp).rgb, (std::vector<uint8_t>{7, 8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6}));
}

TEST(Bmp, LyingHeaders) {
  struct Lie {
    size_t at;
    uint32_t value;
  };
  for (Lie lie : {Lie{10, 0xffffffff},
                  {14, 0xffffffff},
                  {14, 3},
                  {18, 0},
                  {18, 0x80000000},
                  {18, 0x7fffffff},
                  {22, 0x80000000},
                  {22, 3},
                  {26, 0x00400001},
                  {26, 0x00070001},
                  {30, 1},
                  {30, 3}}) {
    std::string bmp = make_bmp();
    put32(bmp, lie.at, lie.value);
    EXPECT_FALSE(decodes(bmp)) << lie.at << " " << lie.value;
  }
}

// GIF: 3 x 2 canvas, palette red green blue white, a frame of 1 x 1 at (2, 1) whose only pixel has index 2.
std::string make_gif(std::string_view extension) {
  return std::string("GIF89a\x03\x00\x02\x00\x81\x00\x00", 13) +
         std::string("\xff\x00\x00\x00\xff\x00\x00\x00\xff\xff\xff\xff", 12) + std::string(extension) +
         std::string("\x2c\x02\x00\x01\x00\x01\x00\x01\x00\x00\x02\x02\x54\x01\x00\x3b", 16);
}

TEST(Gif, UncoveredCanvasTakesEntry0OrTheTransparentEntry) {
  EXPECT_EQ(decode_text(make_gif("")).rgb, (std::vector<uint8_t>{255, 0, 0, 255, 0, 0, 255, 0, 0,  //
                                                                 255, 0, 0, 255, 0, 0, 0, 0, 255}));
  std::string_view transparent("\x21\xf9\x04\x01\x00\x00\x03\x00", 8);
  EXPECT_EQ(decode_text(make_gif(transparent)).rgb,
            (std::vector<uint8_t>{255, 255, 255, 255, 255, 255, 255, 255, 255,  //
                                  255, 255, 255, 255, 255, 255, 0, 0, 255}));
}

TEST(Gif, FrameBeyondTheCanvasEnlargesIt) {
  std::string gif = make_gif("");
  gif[26] = 4;  // frame at x = 4
  Image image = decode_text(gif);
  EXPECT_EQ(image.width, 5);
  EXPECT_EQ(image.height, 2);
  EXPECT_EQ(image.pixel(4, 1)[2], 255);
}

// APP1 with every one-byte damage: the picture is decoded all the same, the orientation is 1..8.
TEST(Exif, DamageIsNeverAnError) {
  SKIP_WITHOUT_SET();
  std::string bytes = read_file(kImageDir + "exif_hopper_6.jpg");
  size_t tiff = bytes.find(std::string("Exif\0\0", 6));
  ASSERT_NE(tiff, std::string::npos);
  size_t length =
      static_cast<uint8_t>(bytes[tiff - 2]) * 256u + static_cast<uint8_t>(bytes[tiff - 1]);  // of the segment
  for (size_t at = tiff; at < tiff + length - 2; ++at) {
    for (int value : {0x00, 0x7f, 0xff}) {
      std::string broken = bytes;
      broken[at] = static_cast<char>(value);
      int orientation = decode_text(broken).facts.orientation;
      EXPECT_TRUE(orientation >= 1 && orientation <= 8);
    }
  }
}

}  // namespace
}  // namespace galago
