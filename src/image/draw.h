// Simple marks on pictures: frames around answers, contact sheets of tiles, generated data. Coordinates are pixels from
// the top left corner; what lies outside of the picture is left out.
#pragma once

#include "image/image.h"

namespace galago {

struct Rect {
  int x = 0, y = 0, width = 0, height = 0;
};

void fill_rect(Image& image, const Rect& rect, Color color);
void outline_rect(Image& image, const Rect& rect, Color color, int thickness = 1);  // grows inwards
void paste(Image& onto, const Image& image, int x, int y);                          // top left corner at x, y
Image crop(const Image& image, const Rect& rect);  // the part inside the picture must not be empty (CHECK)

}  // namespace galago
