// The catalogue against the font and against Unicode's own list: glyphs exist, nouns are unique, colours are true.
#include "data/scene_catalogue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "base/error.h"
#include "data/glyphs.h"

namespace galago {
namespace {

TEST(SceneCatalogue, HasAtLeast150KindsWithUniqueNouns) {
  std::map<std::string, int> owner;
  std::set<uint32_t> code_points;
  int seen = 0, unseen = 0;
  for (size_t i = 0; i < scene_kinds().size(); ++i) {
    const Kind& kind = scene_kinds()[i];
    (kind.unseen ? unseen : seen) += 1;
    EXPECT_TRUE(code_points.insert(kind.code_point).second) << kind.singular;
    for (std::string_view noun : {kind.singular, kind.plural}) {
      auto [at, added] = owner.emplace(std::string(noun), static_cast<int>(i));
      EXPECT_EQ(at->second, static_cast<int>(i)) << noun << " names two kinds";
      EXPECT_EQ(colour_from_word(noun), Colour::None) << noun << " is also a colour";
    }
  }
  EXPECT_GE(seen, 150);
  EXPECT_EQ(unseen, 8);
}

TEST(SceneCatalogue, EveryUnseenKindIsOfAKnownCategory) {
  std::set<Category> seen;
  for (const Kind& kind : scene_kinds()) {
    if (!kind.unseen) seen.insert(kind.category);
  }
  for (const Kind& kind : scene_kinds()) EXPECT_TRUE(seen.contains(kind.category)) << kind.singular;
}

TEST(SceneCatalogue, FindsKindsByIdAndRefusesOthers) {
  EXPECT_EQ(scene_kinds()[static_cast<size_t>(find_kind("teddy_bear"))].singular, "teddy bear");
  EXPECT_THROW(find_kind("teddy"), Error);
  EXPECT_THROW(find_background("Moonbase"), Error);
  EXPECT_EQ(colour_from_word("grey"), Colour::Gray);
  EXPECT_EQ(colour_from_word("pale"), Colour::None);
}

// emoji-test.txt: "1F415 ; fully-qualified # (picture) E0.7 dog" below "# group: Animals & Nature".
TEST(SceneCatalogue, CodePointsAreEmojiOfAFittingGroup) {
  const char* path = "/usr/share/unicode/emoji/emoji-test.txt";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "the package unicode-data is not installed";
  std::map<uint32_t, std::string> group_of;
  std::ifstream in(path);
  std::string line, group;
  while (std::getline(in, line)) {
    if (line.starts_with("# group: ")) group = line.substr(9);
    if (line.empty() || line[0] == '#') continue;
    size_t end = 0;
    uint32_t code_point = static_cast<uint32_t>(std::stoul(line, &end, 16));
    std::string rest = line.substr(end);
    if (rest.starts_with(" FE0F")) rest = rest.substr(5);
    if (rest.substr(0, rest.find_first_not_of(' ') + 1).ends_with(";")) group_of.emplace(code_point, group);
  }
  ASSERT_GT(group_of.size(), 1000u);
  for (const Kind& kind : scene_kinds()) {
    ASSERT_TRUE(group_of.contains(kind.code_point)) << kind.singular;
    const std::string& g = group_of[kind.code_point];
    if (kind.category == Category::Food) {
      EXPECT_EQ(g, kind.singular == "pumpkin" ? "Activities" : "Food & Drink") << kind.singular;
    }
    if (kind.category == Category::Vehicle) {
      EXPECT_EQ(g, "Travel & Places") << kind.singular;
    }
    if (kind.category == Category::Animal) {
      bool eaten = kind.singular == "crab" || kind.singular == "lobster";  // Unicode files these under food
      EXPECT_EQ(g, eaten ? "Food & Drink" : "Animals & Nature") << kind.singular;
    }
  }
}

// Colour words overlap (dark orange is brown, light red is pink), so each word is a region of its own, not a class.
bool could_be(Colour colour, int r, int g, int b) {
  int high = std::max({r, g, b}), low = std::min({r, g, b}), range = high - low;
  double value = high / 255.0, saturation = high == 0 ? 0 : static_cast<double>(range) / high, hue = 0;
  if (range > 0) {
    hue = high == r ? (g - b) * 60.0 / range : high == g ? 120 + (b - r) * 60.0 / range : 240 + (r - g) * 60.0 / range;
    if (hue < 0) hue += 360;
  }
  bool vivid = saturation > 0.35 && value > 0.35;
  switch (colour) {
    case Colour::Red:
      return vivid && (hue >= 335 || hue < 22) && value > 0.5;
    case Colour::Orange:
      return vivid && hue >= 8 && hue < 48 && value > 0.6;
    case Colour::Yellow:
      return saturation > 0.2 && hue >= 32 && hue < 72 && value > 0.7;
    case Colour::Green:
      return saturation > 0.25 && hue >= 65 && hue < 170;
    case Colour::Blue:
      return saturation > 0.2 && hue >= 170 && hue < 250;
    case Colour::Purple:
      return saturation > 0.2 && hue >= 250 && hue < 320;
    case Colour::Pink:
      return value > 0.7 && saturation > 0.1 && saturation < 0.7 && (hue >= 300 || hue < 32);
    case Colour::Brown:
      return saturation > 0.15 && (hue >= 340 || hue < 45) && value < 0.86;
    case Colour::Black:
      return value < 0.3;
    case Colour::White:
      return value > 0.8 && saturation < 0.15;
    case Colour::Gray:
      return saturation < 0.35 && value > 0.2 && value < 0.92;
    case Colour::None:
      return false;
  }
  return false;
}

TEST(SceneCatalogue, ColourWordsAreTrueForTheGlyphs) {
  if (!std::filesystem::exists(kEmojiFont)) GTEST_SKIP() << "the package fonts-noto-color-emoji is not installed";
  GlyphBook book;
  int coloured = 0;
  for (size_t i = 0; i < scene_kinds().size(); ++i) {
    const Kind& kind = scene_kinds()[i];
    if (kind.colour == Colour::None) continue;
    const Glyph& glyph = book.original(static_cast<int>(i));
    int opaque = 0, fitting = 0;
    for (size_t p = 0; p < glyph.rgba.size(); p += 4) {
      if (glyph.rgba[p + 3] < 200) continue;
      ++opaque;
      fitting += could_be(kind.colour, glyph.rgba[p], glyph.rgba[p + 1], glyph.rgba[p + 2]);
    }
    ++coloured;
    // Stems, faces and wheels have colours of their own; above two fifths of the glyph is what makes a child say the
    // word.
    EXPECT_GE(fitting, opaque * 0.42) << kind.singular << " is not " << colour_word(kind.colour) << ": " << fitting
                                      << " of " << opaque << " pixels";
  }
  EXPECT_GE(coloured, 80);
}

TEST(GlyphBook, ScalesToTheLongerSideAndKeepsTheMeanColour) {
  if (!std::filesystem::exists(kEmojiFont)) GTEST_SKIP() << "the package fonts-noto-color-emoji is not installed";
  GlyphBook book;
  int apple = find_kind("apple");
  for (int side : {4, 7, 28, 33, 64, 128, 224}) {
    const Glyph& glyph = book.scaled(apple, side);
    EXPECT_EQ(std::max(glyph.width, glyph.height), side);
    ASSERT_EQ(glyph.rgba.size(), static_cast<size_t>(glyph.width) * glyph.height * 4);
    auto mean = [](const Glyph& g, int channel) {
      double sum = 0;
      for (size_t i = static_cast<size_t>(channel); i < g.rgba.size(); i += 4) sum += g.rgba[i];
      return sum / (static_cast<double>(g.rgba.size()) / 4);
    };
    // Area weights lose nothing; the rounding of width and height and the last bit do.
    for (int c = 0; c < 4; ++c) EXPECT_NEAR(mean(glyph, c), mean(book.original(apple), c), side < 10 ? 12 : 2) << side;
    EXPECT_EQ(&book.scaled(apple, side), &glyph) << "kept once made";
  }
}

TEST(GlyphBook, SaysWhichPackageIsMissing) {
  try {
    GlyphBook book("/nowhere/font.ttf");
    FAIL() << "a missing font must throw";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::NotFound);
    EXPECT_NE(std::string(e.what()).find("fonts-noto-color-emoji"), std::string::npos);
  }
}

}  // namespace
}  // namespace galago
