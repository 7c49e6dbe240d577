// The caption reader, by hand-written sentences.
#include "data/scene_facts.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace galago {
namespace {

struct Case {
  const char* text;
  std::vector<Mention> mentions;
};

Mention said(const char* id, int count, Colour colour = Colour::None) { return {find_kind(id), count, colour}; }

TEST(ParseFacts, ReadsNounPhrases) {
  const std::vector<Case> cases = {
      {"", {}},
      {"A big red apple.", {said("apple", 1, Colour::Red)}},
      {"Two very small yellow lemons and an owl", {said("lemon", 2, Colour::Yellow), said("owl", 1)}},
      {"The teddy bear is next to a bear.", {said("teddy_bear", 0), said("bear", 1)}},
      {"I see 3 mice, and four grey wolves!", {said("mouse", 3), said("wolf", 4, Colour::Gray)}},
      {"three fire trucks", {said("fire_truck", 3)}},
      {"The cars are all red.", {said("car", 0, Colour::Red)}},
      {"a cat. It is green grass and the dogs are in a blue room", {said("cat", 1), said("dog", 0)}},
      {"the dog, a dog, two dogs", {said("dog", 1)}},
      {"one green wall, cats", {said("cat", 0)}},
      {"a red and a cat", {said("cat", 1)}},
      {"Carpets and catalogues", {}},
      {"two sheep", {said("sheep", 2)}},
      {"a red yo-yo", {said("yo-yo", 1, Colour::Red)}},
      {"\xff\xfe a \x80 fish \xc3", {said("fish", 1)}},
  };
  for (const Case& c : cases) EXPECT_EQ(parse_facts(c.text), c.mentions) << c.text;
}

TEST(FactScores, CountsWhatIsMissingExtraAndWrong) {
  Scene scene;
  SceneObject apples, dog;
  apples.kind = find_kind("apple");
  apples.copies.resize(2);
  dog.kind = find_kind("dog");
  dog.copies.resize(1);
  scene.objects = {apples, dog};
  FactScores scores;
  scores.add(scene, "Two green apples and a cat.");
  EXPECT_EQ(scores.recall(), 0.5);
  EXPECT_EQ(scores.precision(), 0.5);
  EXPECT_EQ(scores.count_accuracy(), 1.0);
  EXPECT_EQ(scores.colour_accuracy(), 0.0);
  scores.add(scene, "Three red apples, one brown dog.");
  EXPECT_EQ(scores.recall(), 0.75);
  EXPECT_DOUBLE_EQ(scores.count_accuracy(), 2.0 / 3);
  EXPECT_EQ(scores.colour_accuracy(), 0.5) << "the dog has no clear colour and is not asked";
  EXPECT_EQ(scores.perfect, 0);
  scores.add(scene, "Two apples and a dog.");
  EXPECT_EQ(scores.perfect, 1);
  EXPECT_EQ(FactScores().recall(), 0.0);
}

TEST(CountWords, AndSentences) {
  EXPECT_EQ(count_words(""), 0);
  EXPECT_EQ(count_words("  a  b\nc\t"), 3);
  EXPECT_EQ(count_sentences("One. Two! Three?"), 3);
  EXPECT_EQ(count_sentences("What..."), 1);
  EXPECT_EQ(count_sentences("no end"), 0);
}

}  // namespace
}  // namespace galago
