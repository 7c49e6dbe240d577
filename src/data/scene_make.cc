// Draws a scene graph: which kinds (by split), on which ground, how many, how big, and where.
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/rng.h"
#include "data/scene.h"

namespace galago {
namespace {

struct SizeRange {
  float low, high;  // share of the picture's side; gaps between the classes keep "big" and "little" true
};
constexpr SizeRange kSizes[] = {{0.225f, 0.265f}, {0.30f, 0.35f}, {0.41f, 0.50f}};

constexpr double kTestShare = 0.12, kValidationShare = 0.05;
constexpr float kEdge = 0.02f;
constexpr float kMaxHidden = 0.14f;  // of a copy's square; glyphs fill about 3/4 of it, so 80 % stays visible

std::vector<int> kinds_where(bool unseen) {
  std::vector<int> found;
  auto kinds = scene_kinds();
  for (size_t i = 0; i < kinds.size(); ++i) {
    if (kinds[i].unseen == unseen) found.push_back(static_cast<int>(i));
  }
  return found;
}

const std::vector<int>& seen_kinds() {
  static const std::vector<int> kinds = kinds_where(false);
  return kinds;
}

const std::vector<int>& unseen_kinds() {
  static const std::vector<int> kinds = kinds_where(true);
  return kinds;
}

template <class T>
const T& pick(const std::vector<T>& list, Rng& rng) {
  return list[static_cast<size_t>(rng.below(static_cast<int64_t>(list.size())))];
}

int draw_weighted(std::initializer_list<double> weights, Rng& rng) {
  double u = rng.uniform();
  int i = 0;
  for (double w : weights) {
    if (u < w) return i;
    u -= w;
    ++i;
  }
  return i - 1;
}

bool pairs_fit(const std::vector<int>& kinds, int next, Split split) {
  auto table = scene_kinds();
  return std::all_of(kinds.begin(), kinds.end(), [&](int kind) {
    if (kind == next) return false;
    bool both_seen = !table[kind].unseen && !table[next].unseen;
    Split wanted = split == Split::TestUnseen ? Split::Test : split;
    return !both_seen || split_of_pair(table[kind], table[next]) == wanted;
  });
}

bool share_a_ground(const std::vector<int>& kinds) {
  for (const Background& ground : scene_backgrounds()) {
    if (ground.plain()) continue;
    if (std::all_of(kinds.begin(), kinds.end(), [&](int k) { return fits(scene_kinds()[k].home, ground); }))
      return true;
  }
  return false;
}

// 1-3 kinds, mostly 2. Test scenes have at least two, since one kind alone is no new combination.
std::vector<int> draw_kinds(Split split, Rng& rng) {
  int wanted = 1 + draw_weighted({0.17, 0.58, 0.25}, rng);
  if (split == Split::Validation || split == Split::Test) wanted = std::max(wanted, 2);
  std::vector<int> kinds = {pick(split == Split::TestUnseen ? unseen_kinds() : seen_kinds(), rng)};
  for (int tries = 0; static_cast<int>(kinds.size()) < wanted && tries < 4000; ++tries) {
    int next = split == Split::TestUnseen && rng.chance(0.2) ? pick(unseen_kinds(), rng) : pick(seen_kinds(), rng);
    if (!pairs_fit(kinds, next, split)) continue;
    kinds.push_back(next);
    // Things that only a plain ground can hold together are kept now and then, or plain grounds would be everywhere.
    if (!share_a_ground(kinds) && !rng.chance(0.3)) kinds.pop_back();
  }
  CHECK(split == Split::Train || split == Split::TestUnseen || kinds.size() >= 2, "no partner for kind {}", kinds[0]);
  return kinds;
}

int draw_background(const std::vector<int>& kinds, Rng& rng) {
  auto grounds = scene_backgrounds();
  std::vector<int> natural, plain;
  for (size_t i = 0; i < grounds.size(); ++i) {
    bool all_fit = true, hidden = false;
    for (int k : kinds) {
      const Kind& kind = scene_kinds()[k];
      all_fit = all_fit && fits(kind.home, grounds[i]) && !(kind.singular == "sun" && grounds[i].id == "Night");
      hidden = hidden || (kind.colour != Colour::None && kind.colour == grounds[i].colour);
    }
    if (all_fit && !hidden) (grounds[i].plain() ? plain : natural).push_back(static_cast<int>(i));
  }
  return natural.empty() || rng.chance(0.22) ? pick(plain, rng) : pick(natural, rng);
}

Zone draw_zone(Home home, const Background& ground, Rng& rng) {
  if (ground.plain()) return Zone::Plain;
  switch (home) {
    case Home::Sky:
      return Zone::Sky;
    case Home::Flyer:
      return ground.sky && (!ground.land || rng.chance(0.6)) ? Zone::Sky : Zone::Ground;
    case Home::Water:
    case Home::Float:
      return Zone::Water;
    default:
      return Zone::Ground;
  }
}

int draw_count(const Kind& kind, Rng& rng) {
  if (kind.singular == "sun" || kind.singular == "moon" || kind.singular == "santa") return 1;
  return 1 + draw_weighted({0.46, 0.28, 0.16, 0.10}, rng);
}

SizeClass draw_size(int count, Rng& rng) {
  if (count >= 3) return rng.chance(0.4) ? SizeClass::Small : SizeClass::Medium;
  return static_cast<SizeClass>(draw_weighted({0.20, 0.34, 0.46}, rng));
}

struct Range {
  float low, high;
  bool empty() const { return high < low; }
};

// Where the top edge of a group of `height` (its lowest row `side` high) may be.
Range top_range(Zone zone, const Background& ground, Home home, float horizon, float height, float side) {
  float rows = height - side;
  switch (zone) {
    case Zone::Sky:
      return {kEdge, horizon - 0.03f - height};
    case Zone::Ground: {
      return {std::max(horizon + 0.07f - side, kEdge), 1 - kEdge - height};  // the first row's feet below the horizon
    }
    case Zone::Water: {
      if (!ground.sky) return {0.05f, horizon + 0.04f - height};  // deep sea: anywhere above the bottom
      float top = home == Home::Float ? horizon - side * 0.6f + rows : horizon + 0.04f;
      return {std::max(top, kEdge), 1 - kEdge - height};
    }
    case Zone::Plain:
      return {0.04f, 0.96f - height};
  }
  return {0, 0};
}

std::optional<Across> across_of(float centre) {
  if (centre < 0.38f) return Across::Left;
  if (centre > 0.62f) return Across::Right;
  if (centre > 0.44f && centre < 0.56f) return Across::Middle;
  return std::nullopt;  // too close to call: draw again
}

std::optional<Height> height_of(float centre) {
  if (centre < 0.40f) return Height::Top;
  if (centre > 0.60f) return Height::Bottom;
  if (centre > 0.44f && centre < 0.56f) return Height::Centre;
  return std::nullopt;
}

float hidden_share(const Copy& a, const Copy& b) {
  float w = std::min(a.x + a.side, b.x + b.side) - std::max(a.x, b.x);
  float h = std::min(a.foot(), b.foot()) - std::max(a.y, b.y);
  float smaller = std::min(a.side, b.side);
  return w <= 0 || h <= 0 ? 0 : w * h / (smaller * smaller);
}

bool clear_of_others(const SceneObject& object, const std::vector<SceneObject>& placed) {
  for (const Copy& copy : object.copies) {
    float hidden = 0;
    for (const SceneObject& other : placed) {
      for (const Copy& o : other.copies) hidden += hidden_share(copy, o);
    }
    if (hidden > kMaxHidden) return false;
  }
  return true;
}

struct Grid {
  int columns, rows;
};

Grid draw_grid(int count, float side, Rng& rng) {
  if (count <= 2) return {count, 1};
  bool row_fits = static_cast<float>(count) * side * 1.06f < 0.95f;
  if (row_fits && rng.chance(0.5)) return {count, 1};
  return {2, 2};
}

// One try at placing `count` copies; false if it hits the edge, another group, or an unclear place.
bool place_group(SceneObject& object, int count, const Scene& scene, Rng& rng) {
  const Background& ground = scene_backgrounds()[scene.background];
  SizeRange range = kSizes[static_cast<int>(object.size)];
  float side = static_cast<float>(rng.uniform(range.low, range.high));
  Grid grid = draw_grid(count, side, rng);
  float step = side * static_cast<float>(rng.uniform(1.02, 1.08));
  float width = side + step * static_cast<float>(grid.columns - 1),
        height = side + step * static_cast<float>(grid.rows - 1);
  Home home = scene_kinds()[object.kind].home;
  Range top = top_range(object.zone, ground, home, scene.horizon, height, side);
  if (top.empty() || width > 1 - 2 * kEdge) return false;
  float x = static_cast<float>(rng.uniform(kEdge, 1 - kEdge - width));
  float y = static_cast<float>(rng.uniform(top.low, top.high));
  auto across = across_of(x + width / 2);
  auto level = height_of(y + height / 2);
  bool levelled = object.zone == Zone::Plain || (object.zone == Zone::Water && !ground.sky);
  if (!across || (levelled && !level)) return false;
  object.across = *across;
  object.height = levelled ? *level : Height::None;
  object.copies.clear();
  for (int i = 0; i < count; ++i) {
    int row = i / grid.columns, column = i % grid.columns;
    bool lone = count == 3 && grid.rows == 2 && row == 1;  // the third of three stands between the two above it
    float cx = x + step * (lone ? 0.5f : static_cast<float>(column));
    float jitter = grid.rows == 1 ? static_cast<float>(rng.uniform(-0.02, 0.02)) : 0.0f;
    float cy = std::clamp(y + step * static_cast<float>(row) + jitter, 0.0f, 1 - side);
    object.copies.push_back({cx, cy, side, false});
  }
  return clear_of_others(object, scene.objects);
}

// Fewer and smaller until it fits; one small thing always does.
bool place_object(SceneObject object, int count, Scene& scene, Rng& rng) {
  for (; count >= 1; --count) {
    for (int size = static_cast<int>(object.size); size >= 0; --size) {
      object.size = static_cast<SizeClass>(size);
      for (int tries = 0; tries < 120; ++tries) {
        if (!place_group(object, count, scene, rng)) continue;
        bool mirrored = rng.chance(0.4);
        for (Copy& copy : object.copies) copy.mirrored = rng.chance(0.15) ? !mirrored : mirrored;
        scene.objects.push_back(std::move(object));
        return true;
      }
    }
    object.size = SizeClass::Small;
  }
  return false;
}

Finish draw_finish(Rng& rng) {
  Finish f;
  f.gain = static_cast<float>(rng.uniform(0.86, 1.12));
  f.warmth = static_cast<float>(rng.uniform(-0.04, 0.05));
  f.blur = rng.chance(0.35) ? static_cast<float>(rng.uniform(0.1, 0.8)) : 0.0f;
  f.noise = rng.chance(0.6) ? static_cast<float>(rng.uniform(0.5, 5.0)) : 0.0f;
  f.jpeg_quality = static_cast<int>(55 + rng.below(41));
  return f;
}

bool place_all(const std::vector<int>& kinds, Scene& scene, Rng& rng) {
  const Background& ground = scene_backgrounds()[scene.background];
  scene.objects.clear();
  scene.horizon = static_cast<float>(rng.uniform(ground.horizon_low, ground.horizon_high));
  for (int k : kinds) {
    SceneObject object;
    object.kind = k;
    object.zone = draw_zone(scene_kinds()[k].home, ground, rng);
    int count = draw_count(scene_kinds()[k], rng);
    object.size = draw_size(count, rng);
    if (!place_object(std::move(object), count, scene, rng)) return false;
  }
  return true;
}

struct Box {
  float x0 = 1, y0 = 1, x1 = 0, y1 = 0;
};

Box bounds(const SceneObject& object) {
  Box b;
  for (const Copy& c : object.copies) {
    b = {std::min(b.x0, c.x), std::min(b.y0, c.y), std::max(b.x1, c.x + c.side), std::max(b.y1, c.foot())};
  }
  return b;
}

}  // namespace

Split split_of_pair(const Kind& a, const Kind& b) {
  // Code points, not row numbers: adding a row to the catalogue moves no pair to another split.
  uint64_t low = std::min(a.code_point, b.code_point), high = std::max(a.code_point, b.code_point);
  double u = static_cast<double>(splitmix64((low << 32 | high) * 0x9E3779B97F4A7C15ull) >> 11) * 0x1.0p-53;
  if (u < kTestShare) return Split::Test;
  return u < kTestShare + kValidationShare ? Split::Validation : Split::Train;
}

Relation relation(const SceneObject& a, const SceneObject& b) {
  Box p = bounds(a), q = bounds(b);
  float dx = (q.x0 + q.x1 - p.x0 - p.x1) / 2, dy = (q.y0 + q.y1 - p.y0 - p.y1) / 2;
  float gap_x = std::max(p.x0, q.x0) - std::min(p.x1, q.x1), gap_y = std::max(p.y0, q.y0) - std::min(p.y1, q.y1);
  Relation r;
  // A side is only named when the groups hardly share columns (or rows), and the other direction is not the stronger.
  r.left_of = dx > 0.20f && gap_x > -0.06f && dx > std::abs(dy) * 0.8f;
  r.right_of = -dx > 0.20f && gap_x > -0.06f && -dx > std::abs(dy) * 0.8f;
  r.above = dy > 0.20f && gap_y > -0.06f && dy > std::abs(dx) * 0.8f;
  r.below = -dy > 0.20f && gap_y > -0.06f && -dy > std::abs(dx) * 0.8f;
  r.next_to = (r.left_of || r.right_of) && gap_x < 0.10f && gap_y < -0.08f && std::abs(dy) < 0.2f;
  return r;
}

Scene make_scene(uint64_t seed, Split split, int64_t index) {
  uint64_t stream = splitmix64(seed ^ splitmix64(static_cast<uint64_t>(split) + 1));
  Rng rng(splitmix64(stream + static_cast<uint64_t>(index) * 0x9E3779B97F4A7C15ull));
  Scene scene;
  scene.split = split;
  scene.index = index;
  std::vector<int> kinds = draw_kinds(split, rng);
  do {
    scene.background = draw_background(kinds, rng);
  } while (!place_all(kinds, scene, rng));
  scene.finish = draw_finish(rng);
  scene.seed = rng.next();
  return scene;
}

}  // namespace galago
