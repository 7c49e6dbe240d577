// What scenes are made of: the kinds of scene_catalogue.def and the grounds of scene_backgrounds.def, as tables.
// Names, counts and colours of the captions come from here, so a caption parser (scene_facts.h) can check them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace galago {

enum class Category { Animal, Food, Vehicle, Plant, Weather, Toy, Thing, Place, People };
enum class Home { Land, Thing, Sky, Flyer, Water, Float };
enum class Colour { None, Red, Orange, Yellow, Green, Blue, Purple, Pink, Brown, Black, White, Gray };
enum class Painter { Field, Waves, Shore, Hill, Road, Room, Table, Depth, Plain };

inline constexpr int kColours = 12;  // with None

struct Kind {
  uint32_t code_point;
  std::string_view singular, plural;
  Category category;
  Home home;
  Colour colour;  // None where the glyph has no single clear colour
  bool unseen;    // only in the split test_unseen
};

struct Background {
  std::string_view id;
  Painter painter;
  bool sky, land, table, water;
  double horizon_low, horizon_high;  // share of the height
  uint32_t top, low, ground;         // 0xRRGGBB
  Colour colour;                     // of a plain ground, else None
  bool plain() const { return painter == Painter::Plain; }
};

std::span<const Kind> scene_kinds();
std::span<const Background> scene_backgrounds();
std::string_view colour_word(Colour);            // "" for None
Colour colour_from_word(std::string_view word);  // None when it is no colour; "grey" is read as gray
std::string kind_id(const Kind&);                // the singular with _ for blanks, as in the scene graph JSON
int find_kind(std::string_view id);              // index into scene_kinds(); throws NotFound
int find_background(std::string_view id);        // index into scene_backgrounds(); throws NotFound

// True if things at this home may be shown on this ground.
bool fits(Home, const Background&);

}  // namespace galago
