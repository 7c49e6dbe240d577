#include "data/scene_catalogue.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace galago {
namespace {

constexpr bool kSeenFlag = false, kUnseenFlag = true;

constexpr Kind kKinds[] = {
#define KIND(code_point, singular, plural, category, home, colour, use) \
  {code_point, singular, plural, Category::category, Home::home, Colour::colour, k##use##Flag},
#include "data/scene_catalogue.def"
#undef KIND
};

constexpr Background kBackgrounds[] = {
#define BACKGROUND(id, painter, sky, land, table, water, horizon_low, horizon_high, top, low, ground, colour) \
  {#id, Painter::painter, sky, land, table, water, horizon_low, horizon_high, top, low, ground, Colour::colour},
#include "data/scene_backgrounds.def"
#undef BACKGROUND
};

constexpr std::array<std::string_view, kColours> kColourWords = {"",       "red",  "orange", "yellow", "green", "blue",
                                                                 "purple", "pink", "brown",  "black",  "white", "gray"};

}  // namespace

std::span<const Kind> scene_kinds() { return kKinds; }
std::span<const Background> scene_backgrounds() { return kBackgrounds; }

std::string_view colour_word(Colour colour) { return kColourWords[static_cast<size_t>(colour)]; }

Colour colour_from_word(std::string_view word) {
  if (word.empty()) return Colour::None;
  if (word == "grey") return Colour::Gray;
  auto found = std::find(kColourWords.begin(), kColourWords.end(), word);
  return found == kColourWords.end() ? Colour::None : static_cast<Colour>(found - kColourWords.begin());
}

std::string kind_id(const Kind& kind) {
  std::string id(kind.singular);
  std::replace(id.begin(), id.end(), ' ', '_');
  return id;
}

int find_kind(std::string_view id) {
  for (size_t i = 0; i < std::size(kKinds); ++i) {
    if (kind_id(kKinds[i]) == id) return static_cast<int>(i);
  }
  throw not_found("scene graph: no kind named {}; use a name from the scene catalogue", id);
}

int find_background(std::string_view id) {
  for (size_t i = 0; i < std::size(kBackgrounds); ++i) {
    if (kBackgrounds[i].id == id) return static_cast<int>(i);
  }
  throw not_found("scene graph: no background named {}; use a name from the scene catalogue", id);
}

bool fits(Home home, const Background& ground) {
  switch (home) {
    case Home::Land:
      return ground.land;
    case Home::Thing:
      return ground.land || ground.table;
    case Home::Sky:
      return ground.sky;
    case Home::Flyer:
      return ground.sky || ground.land;
    case Home::Water:
      return ground.water;
    case Home::Float:
      return ground.water && ground.sky;
  }
  return false;
}

}  // namespace galago
