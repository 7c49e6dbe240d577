#include "data/glyphs.h"

#include <ft2build.h>
#include FT_FREETYPE_H

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "data/scene_catalogue.h"

namespace galago {
namespace {

// The library and one face, freed together.
class Font {
 public:
  explicit Font(const std::string& path) {
    if (FT_Init_FreeType(&library_) != 0) throw unsupported("freetype: cannot start; reinstall libfreetype6");
    if (FT_New_Face(library_, path.c_str(), 0, &face_) != 0) {
      FT_Done_FreeType(library_);
      throw not_found("{}: no readable font here; install the package fonts-noto-color-emoji or name another font",
                      path);
    }
    if (face_->num_fixed_sizes == 0 || FT_Select_Size(face_, 0) != 0) {
      close();
      throw invalid_input("{}: no colour bitmaps, expected a CBDT emoji font; use NotoColorEmoji.ttf", path);
    }
  }
  ~Font() { close(); }
  Font(const Font&) = delete;
  Font& operator=(const Font&) = delete;

  // Null if the font has no colour bitmap for it.
  const FT_Bitmap* bitmap(uint32_t code_point) {
    FT_UInt glyph = FT_Get_Char_Index(face_, code_point);
    if (glyph == 0 || FT_Load_Glyph(face_, glyph, FT_LOAD_COLOR) != 0) return nullptr;
    const FT_Bitmap& b = face_->glyph->bitmap;
    return b.pixel_mode == FT_PIXEL_MODE_BGRA && b.rows > 0 && b.width > 0 && b.pitch > 0 ? &b : nullptr;
  }

 private:
  void close() {
    FT_Done_Face(face_);
    FT_Done_FreeType(library_);
  }
  FT_Library library_ = nullptr;
  FT_Face face_ = nullptr;
};

constexpr int kVisible = 24;  // alpha that counts as part of the thing

// BGRA rows to RGBA, without the empty margin.
Glyph cut(const FT_Bitmap& bitmap) {
  int width = static_cast<int>(bitmap.width), height = static_cast<int>(bitmap.rows);
  int x0 = width, y0 = height, x1 = 0, y1 = 0;
  auto at = [&](int x, int y) { return bitmap.buffer + static_cast<ptrdiff_t>(y) * bitmap.pitch + x * 4; };
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      if (at(x, y)[3] < kVisible) continue;
      x0 = std::min(x0, x), y0 = std::min(y0, y), x1 = std::max(x1, x + 1), y1 = std::max(y1, y + 1);
    }
  }
  Glyph glyph;
  if (x1 <= x0) return glyph;
  glyph.width = x1 - x0;
  glyph.height = y1 - y0;
  for (int y = y0; y < y1; ++y) {
    for (int x = x0; x < x1; ++x) {
      const uint8_t* p = at(x, y);
      glyph.rgba.insert(glyph.rgba.end(), {p[2], p[1], p[0], p[3]});
    }
  }
  return glyph;
}

struct Tap {
  int first;
  std::vector<float> weights;
};

// Area filter: each target pixel is the mean of the source span it covers (at least one source pixel wide).
std::vector<Tap> area_taps(int source, int target) {
  std::vector<Tap> taps;
  double scale = static_cast<double>(source) / target, reach = std::max(scale, 1.0);
  for (int i = 0; i < target; ++i) {
    double centre = (i + 0.5) * scale, low = centre - reach / 2, high = centre + reach / 2;
    Tap tap{std::max(0, static_cast<int>(std::floor(low))), {}};
    int last = std::min(source - 1, static_cast<int>(std::ceil(high)) - 1);
    double total = 0;
    for (int s = tap.first; s <= last; ++s) {
      double cover = std::min<double>(high, s + 1) - std::max<double>(low, s);
      tap.weights.push_back(static_cast<float>(cover));
      total += cover;
    }
    for (float& w : tap.weights) w = static_cast<float>(w / total);
    taps.push_back(std::move(tap));
  }
  return taps;
}

Glyph scale(const Glyph& source, int width, int height) {
  auto columns = area_taps(source.width, width), rows = area_taps(source.height, height);
  std::vector<float> wide(static_cast<size_t>(source.height) * width * 4);
  for (int y = 0; y < source.height; ++y) {
    for (int x = 0; x < width; ++x) {
      float* out = &wide[(static_cast<size_t>(y) * width + x) * 4];
      for (size_t t = 0; t < columns[x].weights.size(); ++t) {
        const uint8_t* in = &source.rgba[(static_cast<size_t>(y) * source.width + columns[x].first + t) * 4];
        for (int c = 0; c < 4; ++c) out[c] += columns[x].weights[t] * in[c];
      }
    }
  }
  Glyph target{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height * 4)};
  for (int y = 0; y < height; ++y) {
    for (int i = 0; i < width * 4; ++i) {
      float sum = 0;
      for (size_t t = 0; t < rows[y].weights.size(); ++t) {
        sum += rows[y].weights[t] * wide[(rows[y].first + t) * width * 4 + i];
      }
      target.rgba[static_cast<size_t>(y) * width * 4 + i] = static_cast<uint8_t>(std::min(255.0f, sum + 0.5f));
    }
  }
  return target;
}

}  // namespace

GlyphBook::GlyphBook(const std::string& font_path) {
  Font font(font_path);
  for (const Kind& kind : scene_kinds()) {
    const FT_Bitmap* bitmap = font.bitmap(kind.code_point);
    Glyph glyph = bitmap ? cut(*bitmap) : Glyph{};
    if (glyph.width == 0) {
      throw invalid_input("{}: no colour bitmap for U+{:04X} ({}); use NotoColorEmoji.ttf", font_path, kind.code_point,
                          kind.singular);
    }
    originals_.push_back(std::move(glyph));
  }
  scaled_ = std::make_unique<std::atomic<const Glyph*>[]>(originals_.size() * (kMaxSide + 1));
}

GlyphBook::~GlyphBook() {
  for (size_t i = 0; i < originals_.size() * (kMaxSide + 1); ++i) delete scaled_[i].load();
}

const Glyph& GlyphBook::scaled(int kind, int side) {
  CHECK(side >= 4 && side <= kMaxSide, "glyph side {}", side);
  auto& slot = scaled_[static_cast<size_t>(kind) * (kMaxSide + 1) + side];
  if (const Glyph* ready = slot.load(std::memory_order_acquire)) return *ready;
  const Glyph& source = original(kind);
  int longer = std::max(source.width, source.height);
  auto part = [&](int length) { return std::max(1, (length * side + longer / 2) / longer); };
  auto made = std::make_unique<const Glyph>(scale(source, part(source.width), part(source.height)));
  const Glyph* expected = nullptr;  // another thread may have made the same one meanwhile: keep the first
  if (slot.compare_exchange_strong(expected, made.get(), std::memory_order_acq_rel)) return *made.release();
  return *expected;
}

}  // namespace galago
