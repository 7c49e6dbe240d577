#include "data/scene_render.h"

#include <turbojpeg.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "base/error.h"
#include "base/rng.h"

namespace galago {
namespace {

int to_pixels(float share, int size) { return static_cast<int>(std::lround(share * static_cast<float>(size))); }

// Where a glyph comes to lie: it stands in the middle of the lower edge of its square.
struct Placed {
  const Glyph* glyph;
  int x, y;
  bool mirrored;
};

Placed place(const Copy& copy, int kind, int size, GlyphBook& book) {
  int side = std::max(4, to_pixels(copy.side, size));
  const Glyph& glyph = book.scaled(kind, side);
  int x = to_pixels(copy.x, size) + (side - glyph.width) / 2;
  return {&glyph, x, to_pixels(copy.y, size) + side - glyph.height, copy.mirrored};
}

void blend_glyph(Image& image, const Placed& placed) {
  const Glyph& glyph = *placed.glyph;
  for (int gy = 0; gy < glyph.height; ++gy) {
    int y = placed.y + gy;
    if (y < 0 || y >= image.height) continue;
    for (int gx = 0; gx < glyph.width; ++gx) {
      int x = placed.x + gx;
      if (x < 0 || x >= image.width) continue;
      int column = placed.mirrored ? glyph.width - 1 - gx : gx;
      const uint8_t* in = &glyph.rgba[(static_cast<size_t>(gy) * glyph.width + column) * 4];
      if (in[3] == 0) continue;
      uint8_t* out = image.pixel(x, y);
      int keep = 255 - in[3];
      for (int c = 0; c < 3; ++c) out[c] = static_cast<uint8_t>(std::min(255, in[c] + (out[c] * keep + 127) / 255));
    }
  }
}

// A soft dark ellipse under what stands on something.
void blend_shadow(Image& image, const Placed& placed) {
  float rx = static_cast<float>(placed.glyph->width) * 0.48f, ry = std::max(1.5f, rx * 0.20f);
  float cx = static_cast<float>(placed.x) + static_cast<float>(placed.glyph->width) * 0.5f;
  float cy = static_cast<float>(placed.y + placed.glyph->height) - ry * 0.35f;
  int y0 = std::max(0, static_cast<int>(cy - ry)), y1 = std::min(image.height - 1, static_cast<int>(cy + ry + 1));
  int x0 = std::max(0, static_cast<int>(cx - rx)), x1 = std::min(image.width - 1, static_cast<int>(cx + rx + 1));
  for (int y = y0; y <= y1; ++y) {
    for (int x = x0; x <= x1; ++x) {
      float dx = (static_cast<float>(x) - cx) / rx, dy = (static_cast<float>(y) - cy) / ry, d = 1 - dx * dx - dy * dy;
      if (d <= 0) continue;
      float keep = 1 - 0.38f * std::min(1.0f, d * 1.6f);
      uint8_t* out = image.pixel(x, y);
      for (int c = 0; c < 3; ++c) out[c] = static_cast<uint8_t>(static_cast<float>(out[c]) * keep);
    }
  }
}

bool casts_shadow(const SceneObject& object) {
  Home home = scene_kinds()[object.kind].home;
  if (object.zone == Zone::Ground) return true;
  return object.zone == Zone::Plain && home != Home::Sky && home != Home::Flyer && home != Home::Water;
}

// All copies of all objects, the farther (higher foot) first.
void paint_objects(Image& image, const Scene& scene, GlyphBook& book) {
  struct Item {
    float foot;
    Placed placed;
    bool shadow;
  };
  std::vector<Item> items;
  for (const SceneObject& object : scene.objects) {
    for (const Copy& copy : object.copies) {
      items.push_back({copy.foot(), place(copy, object.kind, image.width, book), casts_shadow(object)});
    }
  }
  std::stable_sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.foot < b.foot; });
  for (const Item& item : items) {
    if (item.shadow) blend_shadow(image, item.placed);
  }
  for (const Item& item : items) blend_glyph(image, item.placed);
}

void apply_light(Image& image, const Finish& f) {
  std::array<std::array<uint8_t, 256>, 3> curve;
  const float gains[3] = {f.gain * (1 + f.warmth), f.gain, f.gain * (1 - f.warmth)};
  for (int c = 0; c < 3; ++c) {
    for (int v = 0; v < 256; ++v) {
      curve[c][v] = static_cast<uint8_t>(std::min(255.0f, static_cast<float>(v) * gains[c] + 0.5f));
    }
  }
  for (size_t i = 0; i < image.rgb.size(); i += 3) {
    for (int c = 0; c < 3; ++c) image.rgb[i + c] = curve[c][image.rgb[i + c]];
  }
}

// Mixes in the 1-2-1 filter of both directions, in 1/256 steps; edge pixels repeat.
void apply_blur(Image& image, float amount) {
  int weight = static_cast<int>(amount * 64);  // of the two neighbours together, of 256
  if (weight <= 0) return;
  auto smooth = [&](uint8_t* data, int n, size_t stride) {
    for (int c = 0; c < 3; ++c) {
      int before = data[c];
      for (int i = 0; i < n; ++i) {
        uint8_t* at = data + static_cast<size_t>(i) * stride + c;
        int here = *at, after = i + 1 < n ? at[stride] : here;
        *at = static_cast<uint8_t>((here * (256 - 2 * weight) + (before + after) * weight + 128) >> 8);
        before = here;
      }
    }
  };
  for (int y = 0; y < image.height; ++y) smooth(image.row(y), image.width, 3);
  for (int x = 0; x < image.width; ++x) smooth(image.pixel(x, 0), image.height, image.row_bytes());
}

const std::vector<int8_t>& normal_table() {
  static const std::vector<int8_t> table = [] {
    Rng rng(0x6E6F726D616C);
    std::vector<int8_t> t(1 << 16);
    for (int8_t& v : t) v = static_cast<int8_t>(std::clamp(rng.normal() * 32, -127.0, 127.0));
    return t;
  }();
  return table;
}

// Gaussian noise read from a table at offsets that change every row: 50,000 true draws would cost more than the scene.
void apply_noise(Image& image, float deviation, Rng& rng) {
  int scale = static_cast<int>(deviation * 8);  // table values are 32 for one deviation: 8 * 32 = 256
  if (scale <= 0) return;
  const auto& table = normal_table();
  for (int y = 0; y < image.height; ++y) {
    size_t offset = rng.next() & 0xFFFF;
    uint8_t* row = image.row(y);
    for (size_t i = 0; i < image.row_bytes(); ++i) {
      int v = row[i] + ((table[(offset + i) & 0xFFFF] * scale) >> 8);
      row[i] = static_cast<uint8_t>(std::clamp(v, 0, 255));
    }
  }
}

std::vector<std::byte> to_jpeg(const Image& image, int quality) {
  struct Close {
    void operator()(void* handle) const { tjDestroy(handle); }
  };
  static thread_local std::unique_ptr<void, Close> handle(tjInitCompress());
  CHECK(handle != nullptr, "turbojpeg does not start");
  int sampling = quality >= 80 ? TJSAMP_444 : TJSAMP_420;
  std::vector<std::byte> bytes(tjBufSize(image.width, image.height, sampling));
  auto* out = reinterpret_cast<unsigned char*>(bytes.data());
  unsigned long n_bytes = bytes.size();
  int failed = tjCompress2(handle.get(), image.rgb.data(), image.width, 0, image.height, TJPF_RGB, &out, &n_bytes,
                           sampling, quality, TJFLAG_NOREALLOC | TJFLAG_ACCURATEDCT);
  CHECK(failed == 0, "turbojpeg: {}", tjGetErrorStr2(handle.get()));
  bytes.resize(n_bytes);
  return bytes;
}

}  // namespace

Image render_lossless(const Scene& scene, int size, GlyphBook& book) {
  if (size < kMinSceneSize || size > kMaxSceneSize) {
    throw invalid_input("scene size {}: expected {} to {} pixels", size, kMinSceneSize, kMaxSceneSize);
  }
  Image image = paint_ground(scene, size);
  paint_objects(image, scene, book);
  Rng rng(splitmix64(scene.seed ^ 0x66696E697368));
  apply_light(image, scene.finish);
  apply_blur(image, scene.finish.blur);
  apply_noise(image, scene.finish.noise, rng);
  return image;
}

std::vector<std::byte> render_jpeg(const Scene& scene, int size, GlyphBook& book) {
  return to_jpeg(render_lossless(scene, size, book), scene.finish.jpeg_quality);
}

Image render(const Scene& scene, int size, GlyphBook& book) {
  return decode_image(render_jpeg(scene, size, book), "generated scene");
}

}  // namespace galago
