// PNG of every colour kind and depth, built here byte by byte, against the values written down.
#include <zlib.h>

#include "base/error.h"
#include "tests/image/image_files.h"

namespace galago {
namespace {

std::string be32_text(uint32_t v) {
  return {static_cast<char>(v >> 24), static_cast<char>(v >> 16), static_cast<char>(v >> 8), static_cast<char>(v)};
}

std::string make_chunk(const std::string& name, const std::string& payload) {
  std::string body = name + payload;
  auto crc = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return be32_text(static_cast<uint32_t>(payload.size())) + body + be32_text(static_cast<uint32_t>(crc));
}

std::string deflated(const std::string& raw) {
  uLongf size = compressBound(raw.size());
  std::string out(size, '\0');
  compress(reinterpret_cast<Bytef*>(out.data()), &size, reinterpret_cast<const Bytef*>(raw.data()), raw.size());
  out.resize(size);
  return out;
}

struct Kind {
  const char* name;
  int width, depth, color_type;
  std::string chunks;    // between the header and the pixels
  std::vector<int> row;  // bytes of the only row
  std::vector<uint8_t> rgb;
};

std::string make_png(const Kind& kind) {
  std::string header = be32_text(static_cast<uint32_t>(kind.width)) + be32_text(1);
  for (int byte : {kind.depth, kind.color_type, 0, 0, 0}) header += static_cast<char>(byte);
  std::string raw(1, '\0');  // filter 0
  for (int byte : kind.row) raw += static_cast<char>(byte);
  return "\x89PNG\r\n\x1a\n" + make_chunk("IHDR", header) + kind.chunks + make_chunk("IDAT", deflated(raw)) +
         make_chunk("IEND", "");
}

const std::string kPalette = make_chunk("PLTE", "\x0a\x0b\x0c\x14\x15\x16\x1e\x1f\x20");  // three colours

const Kind kKinds[] = {
    {"gray 1 bit", 3, 1, 0, "", {0b10100000}, {255, 255, 255, 0, 0, 0, 255, 255, 255}},
    {"gray 2 bits", 2, 2, 0, "", {0b01100000}, {85, 85, 85, 170, 170, 170}},
    {"gray 4 bits, colour key",
     2,
     4,
     0,
     make_chunk("tRNS", std::string("\0\x05", 2)),
     {0x5f},
     {85, 85, 85, 255, 255, 255}},
    {"gray 8 bits", 1, 8, 0, "", {77}, {77, 77, 77}},
    {"gray 16 bits: high byte", 2, 16, 0, "", {1, 255, 254, 0}, {1, 1, 1, 254, 254, 254}},
    {"gray and alpha: alpha dropped", 2, 8, 4, "", {9, 0, 8, 128}, {9, 9, 9, 8, 8, 8}},
    {"gray and alpha 16 bits", 1, 16, 4, "", {9, 200, 0, 0}, {9, 9, 9}},
    {"rgb 8 bits, colour key", 1, 8, 2, make_chunk("tRNS", std::string("\0\1\0\2\0\3", 6)), {1, 2, 3}, {1, 2, 3}},
    {"rgb 16 bits: high byte", 1, 16, 2, "", {1, 255, 2, 128, 3, 0}, {1, 2, 3}},
    {"rgb and alpha 8 bits", 1, 8, 6, "", {1, 2, 3, 0}, {1, 2, 3}},
    {"rgb and alpha 16 bits", 1, 16, 6, "", {1, 255, 2, 255, 3, 255, 0, 0}, {1, 2, 3}},
    {"palette 8 bits", 2, 8, 3, kPalette, {2, 1}, {30, 31, 32, 20, 21, 22}},
    {"palette 2 bits, transparency",
     2,
     2,
     3,
     kPalette + make_chunk("tRNS", std::string("\0", 1)),
     {0b00100000},
     {10, 11, 12, 30, 31, 32}},
    {"gamma is left alone", 1, 8, 0, make_chunk("gAMA", be32_text(100000)), {77}, {77, 77, 77}},
};

TEST(PngKinds, EveryColourKindAndDepth) {
  for (const Kind& kind : kKinds) {
    SCOPED_TRACE(kind.name);
    std::string png = make_png(kind);
    EXPECT_EQ(decode_image(std::as_bytes(std::span(png)), "x").rgb, kind.rgb);
  }
}

TEST(PngKinds, WrongChecksumIsAnError) {
  std::string png = make_png(kKinds[3]);
  png[png.size() - 14] ^= 1;  // the last byte of the checksum of the pixels
  EXPECT_THROW(decode_image(std::as_bytes(std::span(png)), "x"), Error);
}

}  // namespace
}  // namespace galago
