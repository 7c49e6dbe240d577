// Words on pictures: labels of curves and reports, through FreeType with a plain outline font.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "image/image.h"

namespace galago {

inline constexpr const char* kTextFont = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";  // fonts-dejavu-core

// One font at any size. One thread at a time.
class TextDrawer {
 public:
  explicit TextDrawer(const std::string& font = kTextFont);  // throws NotFound if it is not installed
  ~TextDrawer();

  // Pixels that the text takes from its beginning to its end. `size`: pixels of the letter M's square. Text is UTF-8.
  double width(std::string_view text, double size);
  // The left end of the base line is at x, y; what lies outside of the picture is left out.
  void draw(Image& image, double x, double y, std::string_view text, double size, Color color);

 private:
  struct Face;
  std::unique_ptr<Face> face_;
};

}  // namespace galago
