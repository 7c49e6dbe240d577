// Writes small text into pictures, one font, one size. Used by contact sheets.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "image/image.h"

namespace galago {

inline constexpr const char* kTextFont = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf";  // fonts-dejavu-core

// One thread. Text is UTF-8; invalid bytes and characters that the font lacks show as its empty box.
class TextPainter {
 public:
  explicit TextPainter(int pixels, const std::string& font = kTextFont);  // throws NotFound without the font
  ~TextPainter();
  TextPainter(const TextPainter&) = delete;
  TextPainter& operator=(const TextPainter&) = delete;

  int line_height() const;
  int width(std::string_view text) const;  // pixels
  // Lines of at most `width` pixels, broken at blanks; a word that is longer alone is cut.
  std::vector<std::string> wrap(std::string_view text, int width) const;
  // Top left corner of the line at x, y; what lies outside of the picture is left out.
  void draw(Image& image, int x, int y, std::string_view line, Color color) const;

 private:
  struct Face;
  std::unique_ptr<Face> face_;
};

}  // namespace galago
