// Captioned scenes made from the colour emoji font: the scene graph. make_scene() draws the graph from a seed (no font
// needed), scene_render.h paints it, scene_captions.h describes it, scene_set.h puts the three together.
// Splits are by combination: every pair of kinds belongs to train, validation or test by a hash, so a pair that a test
// scene shows is shown by no training scene. Single kinds of things are in all of them; test_unseen alone shows the
// kinds marked Unseen in the catalogue. The split of a pair does not depend on the seed.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "data/scene_catalogue.h"

namespace galago {

enum class Split { Train, Validation, Test, TestUnseen };
enum class SizeClass { Small, Medium, Big };
enum class Across { Left, Middle, Right };
enum class Height { None, Top, Centre, Bottom };  // None where the zone already says it (sky, ground)
enum class Zone { Sky, Ground, Water, Plain };

inline constexpr int kSplits = 4;
std::string_view split_name(Split);  // train, val, test, test_unseen: also the file names
Split split_from_name(std::string_view);

// One copy of a thing: a square whose lower edge the glyph stands on. Units: share of the picture's side.
struct Copy {
  float x, y, side;  // left, top
  bool mirrored;
  float foot() const { return y + side; }
};

struct SceneObject {
  int kind = 0;  // index into scene_kinds()
  SizeClass size = SizeClass::Medium;
  Across across = Across::Middle;
  Height height = Height::None;
  Zone zone = Zone::Plain;
  std::vector<Copy> copies;  // 1..4, side by side
  int count() const { return static_cast<int>(copies.size()); }
};

// Mild photographic variation, applied in this order.
struct Finish {
  float gain = 1, warmth = 0;  // brightness; red up and blue down by this share
  float blur = 0;              // 0..1 of a 3x3 binomial filter
  float noise = 0;             // standard deviation in grey levels
  int jpeg_quality = 90;
};

struct Scene {
  Split split = Split::Train;
  int64_t index = 0;
  uint64_t seed = 0;     // of the pixels
  int background = 0;    // index into scene_backgrounds()
  float horizon = 0.5f;  // share of the height
  std::vector<SceneObject> objects;
  Finish finish;
};

// What holds between two groups of things, with a clear margin; several may hold at once.
struct Relation {
  bool left_of = false, right_of = false, above = false, below = false, next_to = false;
};
Relation relation(const SceneObject& a, const SceneObject& b);

// Deterministic in (seed, split, index).
Scene make_scene(uint64_t seed, Split split, int64_t index);

// Train, Validation or Test: where scenes with both kinds go.
Split split_of_pair(const Kind& a, const Kind& b);

Json scene_to_json(const Scene&);
Scene scene_from_json(const Json&);  // throws InvalidInput / NotFound; the pixel seed and finish are kept too

}  // namespace galago
