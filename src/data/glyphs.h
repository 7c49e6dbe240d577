// Colour glyphs of the emoji font (CBDT bitmaps, 136 x 128), cut to their visible part and scaled with an area filter.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace galago {

inline constexpr const char* kEmojiFont =
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf";  // fonts-noto-color-emoji

// Premultiplied RGBA, row-major.
struct Glyph {
  int width = 0, height = 0;
  std::vector<uint8_t> rgba;  // [height, width, 4]
};

// The glyphs of all kinds of the catalogue. Any number of threads may call scaled(); sizes are kept once made.
class GlyphBook {
 public:
  // Throws NotFound / InvalidInput if the font is missing or lacks a colour bitmap.
  explicit GlyphBook(const std::string& font_path = kEmojiFont);
  ~GlyphBook();
  GlyphBook(const GlyphBook&) = delete;
  GlyphBook& operator=(const GlyphBook&) = delete;

  const Glyph& original(int kind) const { return originals_[static_cast<size_t>(kind)]; }
  // The longer side becomes `side` pixels, 4 <= side <= kMaxSide.
  const Glyph& scaled(int kind, int side);

  static constexpr int kMaxSide = 256;

 private:
  std::vector<Glyph> originals_;
  std::unique_ptr<std::atomic<const Glyph*>[]> scaled_;  // [kind, side]
};

}  // namespace galago
