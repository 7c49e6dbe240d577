#include "image/exif.h"

#include <gtest/gtest.h>

#include <string>

namespace galago {
namespace {

Bytes bytes_of(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

std::string be16_text(size_t v) { return {static_cast<char>(v >> 8), static_cast<char>(v)}; }

std::string make_jpeg(const std::string& payload) {
  return "\xff\xd8\xff\xe0" + be16_text(4) + "ab\xff\xe1" + be16_text(payload.size() + 2) + payload + "\xff\xda";
}

int jpeg_with(const std::string& tiff) {
  return jpeg_orientation(bytes_of(make_jpeg(std::string("Exif\0\0", 6) + tiff)));
}

// One directory with one entry; `entry` is tag, type, count and value.
std::string big(const std::string& entry) { return std::string("MM\0\x2a\0\0\0\x08\0\x01", 10) + entry; }
std::string little(const std::string& entry) { return std::string("II\x2a\0\x08\0\0\0\x01\0", 10) + entry; }

TEST(Exif, BothByteOrdersAndBothTypes) {
  EXPECT_EQ(jpeg_with(big(std::string("\x01\x12\0\x03\0\0\0\x01\0\x06\0\0", 12))), 6);
  EXPECT_EQ(jpeg_with(big(std::string("\x01\x12\0\x04\0\0\0\x01\0\0\0\x08", 12))), 8);
  EXPECT_EQ(jpeg_with(little(std::string("\x12\x01\x03\0\x01\0\0\0\x03\0\0\0", 12))), 3);
}

TEST(Exif, NonsenseIsOrientation1) {
  EXPECT_EQ(jpeg_with(""), 1);
  EXPECT_EQ(jpeg_with(big("")), 1);                                                     // the entry is missing
  EXPECT_EQ(jpeg_with(big(std::string("\x01\x12\0\x03\0\0\0\x01\0\x09\0\0", 12))), 1);  // 9
  EXPECT_EQ(jpeg_with(big(std::string("\x01\x12\0\x03\0\0\0\x01\0\0\0\0", 12))), 1);    // 0
  EXPECT_EQ(jpeg_with(big(std::string("\x01\x12\0\x02\0\0\0\x01\0\x06\0\0", 12))), 1);  // a text
  EXPECT_EQ(jpeg_with(std::string("MM\0\x2a\xff\xff\xff\xff\0\x01", 10)), 1);           // directory far away
  EXPECT_EQ(jpeg_with(std::string("MM\0\x2b\0\0\0\x08\0\x01", 10)), 1);                 // not 42
  EXPECT_EQ(jpeg_orientation(bytes_of(std::string("\xff\xd8\xff\xe1\0\0", 6))), 1);     // segment of length 0
  EXPECT_EQ(jpeg_orientation(bytes_of("\xff\xd8\xff\xe1\xff\xff")), 1);                 // ... beyond the file
}

TEST(Exif, XmpCountsOnlyWithoutExif) {
  std::string xmp = std::string("http://ns.adobe.com/xap/1.0/\0", 29);
  EXPECT_EQ(jpeg_orientation(bytes_of(make_jpeg(xmp + "<a tiff:Orientation=\"5\"/>"))), 5);
  EXPECT_EQ(jpeg_orientation(bytes_of(make_jpeg(xmp + "<tiff:Orientation>7</tiff:Orientation>"))), 7);
  EXPECT_EQ(jpeg_orientation(bytes_of(make_jpeg(xmp + "<tiff:Orientation>"))), 1);
  EXPECT_EQ(jpeg_orientation(bytes_of(make_jpeg(xmp + "tiff:Orientation"))), 1);
  std::string exif = std::string("Exif\0\0", 6) + big(std::string("\x01\x12\0\x03\0\0\0\x01\0\x06\0\0", 12));
  std::string both = make_jpeg(xmp + "<a tiff:Orientation=\"5\"/>");
  both.resize(both.size() - 2);
  EXPECT_EQ(jpeg_orientation(bytes_of(both + make_jpeg(exif).substr(8))), 6);
}

TEST(Exif, PngChunk) {
  std::string tiff = big(std::string("\x01\x12\0\x03\0\0\0\x01\0\x06\0\0", 12));
  std::string png = "\x89PNG\r\n\x1a\n" + std::string(2, '\0') + be16_text(tiff.size()) + "eXIf" + tiff + "CRC!";
  EXPECT_EQ(png_orientation(bytes_of(png)), 6);
}

}  // namespace
}  // namespace galago
