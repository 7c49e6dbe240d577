#include "data/text_draw.h"

#include <ft2build.h>
#include FT_FREETYPE_H

#include <cmath>

#include "base/error.h"

namespace galago {
namespace {

// The next code point of UTF-8 text; a broken byte counts as itself.
uint32_t next_code_point(std::string_view text, size_t& at) {
  auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  uint32_t first = byte(at++);
  int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0;
  if (more == 0 || at + static_cast<size_t>(more) > text.size()) return first;
  uint32_t code = first & (0x3Fu >> more);
  while (more-- > 0) code = code << 6 | (byte(at++) & 0x3F);
  return code;
}

void blend(uint8_t* pixel, Color color, int share) {  // share 0..255 of the color
  const uint8_t wanted[3] = {color.red, color.green, color.blue};
  for (int c = 0; c < 3; ++c) pixel[c] = static_cast<uint8_t>((pixel[c] * (255 - share) + wanted[c] * share) / 255);
}

void stamp(Image& image, const FT_Bitmap& bitmap, int left, int top, Color color) {
  for (int row = 0; row < static_cast<int>(bitmap.rows); ++row) {
    for (int col = 0; col < static_cast<int>(bitmap.width); ++col) {
      int x = left + col, y = top + row;
      if (x < 0 || y < 0 || x >= image.width || y >= image.height) continue;
      blend(image.pixel(x, y), color, bitmap.buffer[static_cast<ptrdiff_t>(row) * bitmap.pitch + col]);
    }
  }
}

}  // namespace

struct TextDrawer::Face {
  FT_Library library = nullptr;
  FT_Face face = nullptr;
  ~Face() {
    if (face) FT_Done_Face(face);
    if (library) FT_Done_FreeType(library);
  }
  void set_size(double size) { FT_Set_Char_Size(face, 0, std::lround(size * 64), 72, 72); }
  double advance() const { return static_cast<double>(face->glyph->advance.x) / 64; }
  bool load(uint32_t code, FT_Int32 flags) { return FT_Load_Char(face, code, flags) == 0; }
};

TextDrawer::TextDrawer(const std::string& font) : face_(std::make_unique<Face>()) {
  if (FT_Init_FreeType(&face_->library) != 0) throw unsupported("freetype: cannot start; reinstall libfreetype6");
  if (FT_New_Face(face_->library, font.c_str(), 0, &face_->face) != 0)
    throw not_found("{}: no readable font here; install the package fonts-dejavu-core or name another font", font);
}

TextDrawer::~TextDrawer() = default;

double TextDrawer::width(std::string_view text, double size) {
  face_->set_size(size);
  double total = 0;
  for (size_t at = 0; at < text.size();)
    if (face_->load(next_code_point(text, at), FT_LOAD_NO_BITMAP)) total += face_->advance();
  return total;
}

void TextDrawer::draw(Image& image, double x, double y, std::string_view text, double size, Color color) {
  face_->set_size(size);
  for (size_t at = 0; at < text.size();) {
    if (!face_->load(next_code_point(text, at), FT_LOAD_RENDER | FT_LOAD_NO_BITMAP)) continue;
    FT_GlyphSlot glyph = face_->face->glyph;
    stamp(image, glyph->bitmap, static_cast<int>(std::lround(x)) + glyph->bitmap_left,
          static_cast<int>(std::lround(y)) - glyph->bitmap_top, color);
    x += face_->advance();
  }
}

}  // namespace galago
