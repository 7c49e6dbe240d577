#include "image/draw.h"

#include <algorithm>

#include "base/error.h"

namespace galago {
namespace {

// In 64 bits, as x + width may not fit an int.
struct Clip {
  int64_t left, top, right, bottom;
  bool empty() const { return left >= right || top >= bottom; }
};

Clip clip(const Image& image, const Rect& rect) {
  return {std::max<int64_t>(rect.x, 0), std::max<int64_t>(rect.y, 0),
          std::min<int64_t>(int64_t{rect.x} + rect.width, image.width),
          std::min<int64_t>(int64_t{rect.y} + rect.height, image.height)};
}

}  // namespace

void fill_rect(Image& image, const Rect& rect, Color color) {
  Clip area = clip(image, rect);
  for (int64_t y = area.top; y < area.bottom; ++y) {
    for (int64_t x = area.left; x < area.right; ++x) {
      uint8_t* pixel = image.pixel(static_cast<int>(x), static_cast<int>(y));
      pixel[0] = color.red;
      pixel[1] = color.green;
      pixel[2] = color.blue;
    }
  }
}

void outline_rect(Image& image, const Rect& rect, Color color, int thickness) {
  int across = std::min(thickness, rect.width), down = std::min(thickness, rect.height);
  fill_rect(image, {rect.x, rect.y, rect.width, down}, color);
  fill_rect(image, {rect.x, rect.y + rect.height - down, rect.width, down}, color);
  fill_rect(image, {rect.x, rect.y, across, rect.height}, color);
  fill_rect(image, {rect.x + rect.width - across, rect.y, across, rect.height}, color);
}

void paste(Image& onto, const Image& image, int x, int y) {
  Clip area = clip(onto, {x, y, image.width, image.height});
  if (area.empty()) return;
  for (int64_t to_y = area.top; to_y < area.bottom; ++to_y) {
    const uint8_t* from = image.pixel(static_cast<int>(area.left - x), static_cast<int>(to_y - y));
    std::copy_n(from, 3 * (area.right - area.left), onto.pixel(static_cast<int>(area.left), static_cast<int>(to_y)));
  }
}

Image crop(const Image& image, const Rect& rect) {
  Clip area = clip(image, rect);
  CHECK(!area.empty(), "crop outside of the picture");
  Image out = make_image(static_cast<int>(area.right - area.left), static_cast<int>(area.bottom - area.top));
  out.facts = image.facts;
  paste(out, image, static_cast<int>(-area.left), static_cast<int>(-area.top));
  return out;
}

}  // namespace galago
