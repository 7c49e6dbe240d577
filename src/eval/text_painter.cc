#include "eval/text_painter.h"

#include <ft2build.h>
#include FT_FREETYPE_H

#include "base/error.h"
#include "text/unicode.h"

namespace galago {
namespace {

char32_t next_character(std::string_view text, size_t& at) {
  CodePoint c = decode_utf8(text, at);
  at += static_cast<size_t>(c.length);
  return c.value;
}

void blend(uint8_t* pixel, Color color, int alpha) {
  auto mix = [&](int from, int to) { return static_cast<uint8_t>((from * (255 - alpha) + to * alpha + 127) / 255); };
  pixel[0] = mix(pixel[0], color.red);
  pixel[1] = mix(pixel[1], color.green);
  pixel[2] = mix(pixel[2], color.blue);
}

}  // namespace

struct TextPainter::Face {
  FT_Library library = nullptr;
  FT_Face face = nullptr;
  ~Face() {
    if (face) FT_Done_Face(face);
    if (library) FT_Done_FreeType(library);
  }
  // Null for a character that cannot be drawn.
  FT_GlyphSlot load(char32_t c, int flags) const { return FT_Load_Char(face, c, flags) == 0 ? face->glyph : nullptr; }
};

TextPainter::TextPainter(int pixels, const std::string& font) : face_(std::make_unique<Face>()) {
  CHECK(pixels >= 6 && pixels <= 200, "{} pixels of text", pixels);
  if (FT_Init_FreeType(&face_->library) != 0) throw unsupported("freetype: cannot start; reinstall libfreetype6");
  if (FT_New_Face(face_->library, font.c_str(), 0, &face_->face) != 0)
    throw not_found("{}: no readable font here; install the package fonts-dejavu-core", font);
  if (FT_Set_Pixel_Sizes(face_->face, 0, static_cast<FT_UInt>(pixels)) != 0)
    throw invalid_input("{}: cannot be scaled to {} pixels; expected an outline font", font, pixels);
}

TextPainter::~TextPainter() = default;

int TextPainter::line_height() const { return static_cast<int>(face_->face->size->metrics.height >> 6); }

int TextPainter::width(std::string_view text) const {
  FT_Pos sum = 0;
  for (size_t at = 0; at < text.size();)
    if (FT_GlyphSlot glyph = face_->load(next_character(text, at), FT_LOAD_DEFAULT)) sum += glyph->advance.x;
  return static_cast<int>((sum + 63) >> 6);
}

std::vector<std::string> TextPainter::wrap(std::string_view text, int limit) const {
  std::vector<std::string> lines;
  std::string line, word;
  auto end_line = [&] {
    if (!line.empty()) lines.push_back(std::move(line));
    line.clear();
  };
  auto end_word = [&] {
    if (word.empty()) return;
    std::string longer = line.empty() ? word : line + " " + word;
    if (width(longer) > limit) end_line();
    line = line.empty() ? word : longer;
    word.clear();
  };
  for (size_t at = 0; at < text.size();) {
    size_t begin = at;
    char32_t c = next_character(text, at);
    std::string_view bytes = text.substr(begin, at - begin);
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
      end_word();
      if (c == '\n') end_line();
      continue;
    }
    if (!word.empty() && width(word + std::string(bytes)) > limit) end_word();
    word += bytes;
  }
  end_word();
  end_line();
  return lines;
}

void TextPainter::draw(Image& image, int x, int y, std::string_view line, Color color) const {
  FT_Pos pen = static_cast<FT_Pos>(x) << 6;
  int baseline = y + static_cast<int>(face_->face->size->metrics.ascender >> 6);
  for (size_t at = 0; at < line.size();) {
    FT_GlyphSlot glyph = face_->load(next_character(line, at), FT_LOAD_RENDER);
    if (!glyph) continue;
    const FT_Bitmap& b = glyph->bitmap;
    int left = static_cast<int>(pen >> 6) + glyph->bitmap_left, top = baseline - glyph->bitmap_top;
    for (int row = 0; b.pixel_mode == FT_PIXEL_MODE_GRAY && row < static_cast<int>(b.rows); ++row)
      for (int col = 0; col < static_cast<int>(b.width); ++col) {
        int px = left + col, py = top + row;
        if (px < 0 || py < 0 || px >= image.width || py >= image.height) continue;
        blend(image.pixel(px, py), color, b.buffer[row * b.pitch + col]);
      }
    pen += glyph->advance.x;
  }
}

}  // namespace galago
