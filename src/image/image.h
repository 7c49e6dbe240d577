// Pictures: decoding of JPEG, PNG, WebP, GIF and BMP (told apart by content, never by file name) into RGB, and the turn
// that EXIF asks for. The published Python pipelines see the picture as stored; people see it upright.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace galago {

// What the file said about itself.
struct ImageFacts {
  std::string format;  // "JPEG", "PNG", "WEBP", "GIF", "BMP"; empty for a picture made in memory
  int stored_width = 0, stored_height = 0;
  int orientation = 1;  // EXIF 1..8: how the pixels in hand must be turned to stand upright; 1 = they do
};

// 8-bit RGB, rows from the top, no padding. A plain value: copying copies the pixels.
struct Image {
  int width = 0, height = 0;
  std::vector<uint8_t> rgb;  // [height, width, 3]
  ImageFacts facts;

  size_t row_bytes() const { return static_cast<size_t>(width) * 3; }
  uint8_t* row(int y) { return rgb.data() + row_bytes() * static_cast<size_t>(y); }
  const uint8_t* row(int y) const { return rgb.data() + row_bytes() * static_cast<size_t>(y); }
  uint8_t* pixel(int x, int y) { return row(y) + 3 * static_cast<size_t>(x); }
  const uint8_t* pixel(int x, int y) const { return row(y) + 3 * static_cast<size_t>(x); }
};

struct Color {
  uint8_t red = 0, green = 0, blue = 0;
  bool operator==(const Color&) const = default;
};

// Limits that a header is held to before anything is allocated.
struct DecodeLimits {
  uint64_t max_pixels = (512u << 20) / 3;  // 512 MB of RGB
  int max_side = 65535;
};

Image make_image(int width, int height, Color color = {});

// The stored view: alpha is dropped, not blended; a colour key is ignored; 16-bit channels keep their high byte
// (their low byte if none exceeds 255); the first frame of an animation counts. Truncated or broken data, an unknown format and sizes beyond `limits` throw
// InvalidInput with a message that begins with `subject`.
Image decode_image(std::span<const std::byte> bytes, const std::string& subject, const DecodeLimits& limits = {});
Image load_image(const std::string& path, const DecodeLimits& limits = {});

// Applies facts.orientation and sets it to 1.
Image upright(Image image);

}  // namespace galago
