// The grounds of the scenes: gradients, a horizon, and just enough texture to look like grass, water, sand or wood.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "base/rng.h"
#include "data/scene_render.h"

namespace galago {
namespace {

struct Rgb {
  float r, g, b;
};

Rgb from_hex(uint32_t hex) {
  return {static_cast<float>(hex >> 16), static_cast<float>(hex >> 8 & 255), static_cast<float>(hex & 255)};
}
Rgb mix(Rgb a, Rgb b, float t) { return {a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t}; }
Rgb scale(Rgb a, float s) { return {a.r * s, a.g * s, a.b * s}; }
Rgb lighten(Rgb a, float t) { return mix(a, {255, 255, 255}, t); }
float ramp(float x, float low, float high) { return std::clamp((x - low) / (high - low), 0.0f, 1.0f); }

// Smooth noise in [-1, 1] that repeats every 64 cells; a table, since every pixel asks for it.
class Noise {
 public:
  Noise() {
    Rng rng(0x6E6F697365);
    for (float& v : cells_) v = static_cast<float>(rng.uniform(-1, 1));
  }
  float at(float x, float y) const {
    x += kCells, y += kCells;  // from -64 on, so that the cast below rounds down
    int ix = static_cast<int>(x), iy = static_cast<int>(y);
    float tx = x - static_cast<float>(ix), ty = y - static_cast<float>(iy);
    tx = tx * tx * (3 - 2 * tx), ty = ty * ty * (3 - 2 * ty);
    auto cell = [&](int cx, int cy) { return cells_[(cy & 63) * 64 + (cx & 63)]; };
    float top = cell(ix, iy) + (cell(ix + 1, iy) - cell(ix, iy)) * tx;
    float low = cell(ix, iy + 1) + (cell(ix + 1, iy + 1) - cell(ix, iy + 1)) * tx;
    return top + (low - top) * ty;
  }

 private:
  static constexpr int kCells = 64;
  std::array<float, kCells * kCells> cells_;
};

// Built before main: no guard to test per pixel.
const Noise kNoise;

// Sine by table, for x >= -2 pi: the same on every C library, and several times faster than a call a pixel.
class Sine {
 public:
  Sine() {
    for (size_t i = 0; i < table_.size(); ++i) {
      table_[i] = static_cast<float>(std::sin(2 * std::numbers::pi * static_cast<double>(i) / kSteps));
    }
  }
  float at(float x) const {
    constexpr float kScale = static_cast<float>(kSteps / (2 * std::numbers::pi));
    return table_[static_cast<size_t>(static_cast<int>(x * kScale + kSteps)) & (kSteps - 1)];
  }

 private:
  static constexpr int kSteps = 4096;
  std::array<float, kSteps> table_;
};

const Sine kSine;

float floor_of(float x) { return static_cast<float>(static_cast<int>(x + 64)) - 64; }  // for x >= -64

// Everything a painter may vary from scene to scene.
struct Paint {
  Rgb top, low, ground;
  float horizon;             // share of the height
  float phase, wobble, far;  // random offsets
  float pixel;               // one pixel as a share of the side
};

Paint draw_paint(const Scene& scene, int size) {
  const Background& ground = scene_backgrounds()[scene.background];
  Rng rng(splitmix64(scene.seed ^ 0x67726F756E64));
  auto shade = [&](uint32_t hex) {
    Rgb c = scale(from_hex(hex), static_cast<float>(rng.uniform(0.95, 1.04)));
    return Rgb{c.r + static_cast<float>(rng.uniform(-5, 5)), c.g + static_cast<float>(rng.uniform(-5, 5)),
               c.b + static_cast<float>(rng.uniform(-5, 5))};
  };
  Paint p{shade(ground.top),
          shade(ground.low),
          shade(ground.ground),
          scene.horizon,
          0,
          0,
          0,
          1.0f / static_cast<float>(size)};
  if (ground.painter == Painter::Room || ground.painter == Painter::Table) {  // walls come in soft tints
    constexpr uint32_t kWalls[] = {0xF3E6C8, 0xD9E7F2, 0xDDEBD5, 0xF2DCDC, 0xE8E0EE, 0xEFEFEA};
    p.top = shade(kWalls[rng.below(std::size(kWalls))]);
    p.low = scale(p.top, 0.93f);
  }
  p.phase = static_cast<float>(rng.uniform(0, 64));
  p.wobble = static_cast<float>(rng.uniform(0.6, 1.6));
  p.far = static_cast<float>(rng.uniform());
  return p;
}

Rgb sky(const Paint& p, float x, float y) {
  float haze = kNoise.at(x * 3 + p.phase, y * 7) * 3.0f;
  Rgb c = mix(p.top, p.low, std::clamp(y / p.horizon, 0.0f, 1.0f));
  return {c.r + haze, c.g + haze, c.b + haze};
}

float ground_depth(const Paint& p, float y) { return ramp(y, p.horizon, 1.0f); }  // 0 far .. 1 near

Rgb field(const Paint& p, float x, float y) {
  float ridge = p.horizon - 0.02f * p.wobble * kSine.at(x * 5 + p.phase);
  if (y < ridge) {
    float far_ridge = p.horizon - 0.05f - 0.03f * kSine.at(x * 3.1f + p.phase * 2);
    return y < far_ridge ? sky(p, x, y) : mix(sky(p, x, y), p.ground, 0.35f);
  }
  float depth = ground_depth(p, y);
  float blades = kNoise.at(x * 60 + p.phase, y * 24) * 7 + kNoise.at(x * 9, y * 9 + p.phase) * 5;
  Rgb c = mix(lighten(p.ground, 0.22f), scale(p.ground, 0.88f), depth);
  return {c.r + blades, c.g + blades, c.b + blades * 0.6f};
}

Rgb water(const Paint& p, float x, float y, float from) {
  float depth = ramp(y, from, 1.0f);
  float wave = kSine.at((y - from) * (90 - 50 * depth) + 2.5f * kNoise.at(x * 5 + p.phase, y * 6) + p.phase);
  Rgb c = mix(lighten(p.ground, 0.30f), scale(p.ground, 0.86f), depth);
  return wave > 0.55f ? lighten(c, 0.13f * (wave - 0.55f) / 0.45f + 0.04f) : c;
}

Rgb waves(const Paint& p, float x, float y) { return y < p.horizon ? sky(p, x, y) : water(p, x, y, p.horizon); }

Rgb shore(const Paint& p, float x, float y) {
  float edge = p.horizon + 0.065f + 0.012f * kSine.at(x * 9 + p.phase);
  Rgb sea{60, 145, 205};
  if (y < p.horizon - 0.03f) return sky(p, x, y);
  if (y < edge) return mix(sea, {150, 215, 230}, ramp(y, p.horizon - 0.03f, edge));
  if (y < edge + 0.012f) return {250, 252, 250};
  float grain = kNoise.at(x * 64, y * 64 + p.phase) * 5 + kNoise.at(x * 7 + p.phase, y * 12) * 5;
  Rgb c = mix(lighten(p.ground, 0.12f), scale(p.ground, 0.93f), ground_depth(p, y));
  return {c.r + grain, c.g + grain, c.b + grain};
}

Rgb hill(const Paint& p, float x, float y) {
  float ridge = p.horizon - 0.035f * kSine.at(x * 3.1f * p.wobble + p.phase);
  if (y < ridge) {
    Rgb c = sky(p, x, y);
    // Pin-prick lights in a dark sky only.
    float speck = kNoise.at(floor_of(x * 46) * 1.37f + p.phase, floor_of(y * 46) * 2.11f);
    return p.top.r < 60 && speck > 0.93f ? lighten(c, 0.45f) : c;
  }
  float rough = kNoise.at(x * 40 + p.phase, y * 20) * 4 + kNoise.at(x * 6, y * 6) * 4;
  Rgb c = mix(lighten(p.ground, 0.10f), scale(p.ground, 0.80f), ground_depth(p, y));
  return {c.r + rough, c.g + rough, c.b + rough};
}

Rgb road(const Paint& p, float x, float y) {
  if (y < p.horizon - 0.05f) return sky(p, x, y);
  if (y < p.horizon)
    return mix(Rgb{120, 170, 110}, Rgb{100, 155, 92}, kNoise.at(x * 20 + p.phase, y * 30) * 0.5f + 0.5f);
  if (y < p.horizon + 0.05f) return {196, 194, 190};  // pavement
  if (y < p.horizon + 0.062f) return {150, 148, 146};
  float grit = kNoise.at(x * 64 + p.phase, y * 64) * 4;
  Rgb c = mix(lighten(p.ground, 0.10f), scale(p.ground, 0.86f), ground_depth(p, y));
  float line = p.horizon + 0.30f, dash = x * 4 + p.far * 2;
  if (std::abs(y - line) < 0.012f && dash - floor_of(dash) < 0.55f) return {238, 236, 226};
  return {c.r + grit, c.g + grit, c.b + grit};
}

Rgb planks(const Paint& p, float x, float y, float from) {
  float depth = ramp(y, from, 1.0f), spread = 0.35f + 0.65f * depth;
  float lane = (x - 0.5f) / spread * 7 + p.far;
  float seam = lane - floor_of(lane);
  float tone = kNoise.at(floor_of(lane) * 1.7f + p.phase, 3) * 9;
  float grain = kNoise.at(lane * 6 + p.phase, y * 30) * 4;
  Rgb c = mix(scale(p.ground, 0.92f), lighten(p.ground, 0.10f), depth);
  float dark = seam < 0.04f ? 0.84f : 1.0f;
  return {(c.r + tone + grain) * dark, (c.g + tone + grain) * dark, (c.b + tone + grain) * dark};
}

Rgb room(const Paint& p, float x, float y) {
  if (y < p.horizon - 0.035f) {
    float stripe = kSine.at(x * 40 * p.wobble + p.phase) > 0.4f ? -4.0f : 0.0f;
    Rgb c = mix(p.top, p.low, ramp(y, 0, p.horizon));
    return {c.r + stripe, c.g + stripe, c.b + stripe};
  }
  if (y < p.horizon) return y < p.horizon - 0.028f ? Rgb{205, 202, 196} : Rgb{247, 246, 243};  // skirting board
  return planks(p, x, y, p.horizon);
}

Rgb table(const Paint& p, float x, float y) {
  if (y < p.horizon) {
    Rgb c = mix(p.top, p.low, ramp(y, 0, p.horizon));
    return scale(c, 1 - 0.10f * ramp(y, p.horizon - 0.12f, p.horizon));
  }
  float grain = kNoise.at(x * 5 + p.phase, y * 55) * 8 + kNoise.at(x * 2, y * 14 + p.phase) * 6;
  Rgb c = mix(scale(p.ground, 0.94f), lighten(p.ground, 0.12f), ground_depth(p, y));
  if (y > 0.985f) c = scale(c, 0.75f);
  return {c.r + grain, c.g + grain, c.b + grain * 0.8f};
}

Rgb depth(const Paint& p, float x, float y) {
  float bed = p.horizon + 0.02f * kSine.at(x * 7 + p.phase);
  if (y > bed) {
    float grain = kNoise.at(x * 50, y * 50 + p.phase) * 6;
    Rgb c = mix(scale(p.ground, 0.75f), p.ground, ramp(y, bed, 1));
    return {c.r * 0.85f + grain, c.g + grain, c.b + grain};
  }
  Rgb c = mix(p.top, p.low, ramp(y, 0, p.horizon));
  float ray = kNoise.at((x - y * 0.35f) * 7 + p.phase, 1.5f) * 0.5f + 0.5f;
  return lighten(c, 0.16f * ray * (1 - y));
}

Rgb plain(const Paint& p, float x, float y) {
  float dx = x - 0.5f, dy = y - 0.5f;
  return scale(mix(p.top, p.low, y), 1.02f - 0.09f * (dx * dx + dy * dy));
}

template <class PixelColour>
Image fill(const Paint& p, int size, PixelColour colour) {
  Image image = make_image(size, size);
  auto byte = [](float v) { return static_cast<uint8_t>(std::clamp(v, 0.0f, 255.0f)); };
  for (int y = 0; y < size; ++y) {
    uint8_t* out = image.row(y);
    for (int x = 0; x < size; ++x, out += 3) {
      Rgb c = colour(p, (static_cast<float>(x) + 0.5f) * p.pixel, (static_cast<float>(y) + 0.5f) * p.pixel);
      out[0] = byte(c.r), out[1] = byte(c.g), out[2] = byte(c.b);
    }
  }
  return image;
}

}  // namespace

Image paint_ground(const Scene& scene, int size) {
  Paint p = draw_paint(scene, size);
  switch (scene_backgrounds()[scene.background].painter) {
    case Painter::Field:
      return fill(p, size, field);
    case Painter::Waves:
      return fill(p, size, waves);
    case Painter::Shore:
      return fill(p, size, shore);
    case Painter::Hill:
      return fill(p, size, hill);
    case Painter::Road:
      return fill(p, size, road);
    case Painter::Room:
      return fill(p, size, room);
    case Painter::Table:
      return fill(p, size, table);
    case Painter::Depth:
      return fill(p, size, depth);
    case Painter::Plain:
      return fill(p, size, plain);
  }
  return make_image(size, size);
}

}  // namespace galago
