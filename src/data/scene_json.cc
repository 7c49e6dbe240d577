// The scene graph as JSON: what the caption may say (kinds, counts, colours, sizes, places, relations) and what the
// painter needs (copies, finish), so a scene can be painted again from its line in the index.
#include <array>
#include <cmath>

#include "base/error.h"
#include "data/scene.h"

namespace galago {
namespace {

constexpr std::array<std::string_view, 3> kSizeWords = {"small", "medium", "big"};
constexpr std::array<std::string_view, 3> kAcrossWords = {"left", "middle", "right"};
constexpr std::array<std::string_view, 4> kHeightWords = {"", "top", "centre", "bottom"};
constexpr std::array<std::string_view, 4> kZoneWords = {"sky", "ground", "water", "plain"};
constexpr std::array<std::string_view, kSplits> kSplitWords = {"train", "val", "test", "test_unseen"};

template <class Enum, size_t n>
Enum enum_from(const std::array<std::string_view, n>& words, const std::string& word, std::string_view field) {
  for (size_t i = 0; i < n; ++i) {
    if (words[i] == word) return static_cast<Enum>(i);
  }
  throw invalid_input("scene graph: {} is \"{}\", which is none of its values", field, word);
}

template <class Enum, size_t n>
std::string_view word_of(const std::array<std::string_view, n>& words, Enum value) {
  return words[static_cast<size_t>(value)];
}

double four_digits(float v) { return std::round(static_cast<double>(v) * 1e4) / 1e4; }

Json relations_to_json(const Scene& scene) {
  Json list = Json::array();
  for (size_t i = 0; i < scene.objects.size(); ++i) {
    for (size_t j = i + 1; j < scene.objects.size(); ++j) {
      Relation r = relation(scene.objects[i], scene.objects[j]);
      auto add = [&](bool holds, const char* name) {
        if (holds) list.push_back({{"a", i}, {"relation", name}, {"b", j}});
      };
      add(r.left_of, "left of");
      add(r.right_of, "right of");
      add(r.above, "above");
      add(r.below, "below");
      add(r.next_to, "next to");
    }
  }
  return list;
}

Json object_to_json(const SceneObject& object) {
  const Kind& kind = scene_kinds()[object.kind];
  Json copies = Json::array();
  for (const Copy& c : object.copies) {
    copies.push_back({four_digits(c.x), four_digits(c.y), four_digits(c.side), c.mirrored ? 1 : 0});
  }
  return {{"kind", kind_id(kind)},
          {"noun", object.count() == 1 ? kind.singular : kind.plural},
          {"count", object.count()},
          {"colour", colour_word(kind.colour)},
          {"size", word_of(kSizeWords, object.size)},
          {"across", word_of(kAcrossWords, object.across)},
          {"height", word_of(kHeightWords, object.height)},
          {"zone", word_of(kZoneWords, object.zone)},
          {"copies", std::move(copies)}};
}

SceneObject object_from_json(const Json& j) {
  SceneObject object;
  object.kind = find_kind(j.at("kind").get<std::string>());
  object.size = enum_from<SizeClass>(kSizeWords, j.at("size"), "size");
  object.across = enum_from<Across>(kAcrossWords, j.at("across"), "across");
  object.height = enum_from<Height>(kHeightWords, j.at("height"), "height");
  object.zone = enum_from<Zone>(kZoneWords, j.at("zone"), "zone");
  for (const Json& c : j.at("copies")) {
    object.copies.push_back(
        {c.at(0).get<float>(), c.at(1).get<float>(), c.at(2).get<float>(), c.at(3).get<int>() != 0});
    const Copy& copy = object.copies.back();
    bool inside = copy.x >= -1 && copy.x <= 1 && copy.y >= -1 && copy.y <= 1 && copy.side > 0 && copy.side <= 0.55f;
    if (!inside) throw invalid_input("scene graph: a copy lies outside the picture; expected shares of its side");
  }
  if (object.copies.empty() || object.copies.size() > 4) {
    throw invalid_input("scene graph: {} copies of one thing, expected 1 to 4", object.copies.size());
  }
  return object;
}

}  // namespace

std::string_view split_name(Split split) { return word_of(kSplitWords, split); }
Split split_from_name(std::string_view name) { return enum_from<Split>(kSplitWords, std::string(name), "split"); }

Json scene_to_json(const Scene& scene) {
  Json objects = Json::array();
  for (const SceneObject& object : scene.objects) objects.push_back(object_to_json(object));
  const Finish& f = scene.finish;
  return {{"split", split_name(scene.split)},
          {"index", scene.index},
          {"seed", scene.seed},
          {"background", scene_backgrounds()[scene.background].id},
          {"horizon", scene.horizon},
          {"objects", std::move(objects)},
          {"relations", relations_to_json(scene)},
          {"finish", {f.gain, f.warmth, f.blur, f.noise, f.jpeg_quality}}};
}

Scene scene_from_json(const Json& j) {
  try {
    Scene scene;
    scene.split = split_from_name(j.at("split").get<std::string>());
    scene.index = j.at("index");
    scene.seed = j.at("seed");
    scene.background = find_background(j.at("background").get<std::string>());
    scene.horizon = j.at("horizon");
    for (const Json& object : j.at("objects")) scene.objects.push_back(object_from_json(object));
    const Json& f = j.at("finish");
    scene.finish = {f.at(0), f.at(1), f.at(2), f.at(3), f.at(4)};
    return scene;
  } catch (const Json::exception& e) {
    throw invalid_input(
        "scene graph: a field is missing or of the wrong type ({}); expected a line written by data scenes", e.what());
  }
}

}  // namespace galago
