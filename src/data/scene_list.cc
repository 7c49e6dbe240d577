#include "data/scene_list.h"

#include <algorithm>
#include <vector>

#include "data/scene_phrases.h"

namespace galago {
namespace {

std::string_view count_word(int n) {
  constexpr std::string_view kWords[] = {"no", "one", "two", "three", "four"};
  return kWords[n];
}

bool vowel(std::string_view word) { return !word.empty() && std::string_view("aeiou").find(word[0]) != word.npos; }

std::string thing(const SceneObject& object) {
  const Kind& kind = scene_kinds()[static_cast<size_t>(object.kind)];
  bool many = object.count() > 1;
  std::string words(colour_word(kind.colour));
  if (!words.empty()) words += " ";
  words += many ? kind.plural : kind.singular;
  if (many) return std::string(count_word(object.count())) + " " + words;
  return (vowel(words) ? "an " : "a ") + words;
}

}  // namespace

std::string list_caption(const Scene& scene) {
  std::vector<const SceneObject*> objects;
  for (const SceneObject& object : scene.objects) objects.push_back(&object);
  std::stable_sort(objects.begin(), objects.end(), [](const SceneObject* a, const SceneObject* b) {
    return a->copies.front().x < b->copies.front().x;
  });
  std::string text;
  for (const SceneObject* object : objects) text += thing(*object) + ", ";
  return text + std::string(ground_phrases(scene.background).surface.front()) + ".";
}

}  // namespace galago
