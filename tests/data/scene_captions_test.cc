// The captions: length, truth (read back by the fact parser), no foreign nouns, variety.
#include "data/scene_captions.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>

#include "data/scene_facts.h"
#include "data/scene_phrases.h"

namespace galago {
namespace {

std::string caption(const Scene& scene, Style style) {
  Rng rng(scene.seed + static_cast<uint64_t>(style));
  return describe(scene, style, rng);
}

class Captions : public testing::TestWithParam<Style> {};

TEST_P(Captions, KeepTheLengthRule) {
  for (int64_t i = 0; i < 5000; ++i) {
    std::string text = caption(make_scene(11, static_cast<Split>(i % kSplits), i), GetParam());
    EXPECT_TRUE(keeps_rule(text, GetParam())) << text;
  }
}

// Every kind with its count, true colours only, and nothing that is not there.
TEST_P(Captions, SayWhatTheGraphHolds) {
  FactScores scores;
  for (int64_t i = 0; i < 5000; ++i) {
    Scene scene = make_scene(12, static_cast<Split>(i % kSplits), i);
    std::string text = caption(scene, GetParam());
    int64_t before = scores.perfect;
    scores.add(scene, text);
    EXPECT_EQ(scores.perfect, before + 1) << scene_to_json(scene)["objects"].dump() << "\n" << text;
  }
  EXPECT_EQ(scores.recall(), 1.0);
  EXPECT_EQ(scores.precision(), 1.0);
  EXPECT_EQ(scores.count_accuracy(), 1.0);
  EXPECT_EQ(scores.colour_accuracy(), 1.0);
  EXPECT_GT(scores.colours_told, 3500);
}

TEST_P(Captions, AreTheSameForTheSameSeed) {
  Scene scene = make_scene(1, Split::Train, 5);
  EXPECT_EQ(caption(scene, GetParam()), caption(scene, GetParam()));
  Rng a(1), b(2);
  EXPECT_NE(describe(scene, GetParam(), a), describe(scene, GetParam(), b));
}

TEST_P(Captions, ReadAsSentences) {
  const std::regex odd("  | ,| \\.|\\{|\\}|,,|\\.\\.|\\ba [aeio]|\\ban [^aeiou]|\\b(\\w+) \\1\\b|^(Oh|Wow|Look)");
  for (int64_t i = 0; i < 2000; ++i) {
    std::string text = caption(make_scene(13, Split::Train, i), GetParam());
    std::smatch found;
    EXPECT_FALSE(std::regex_search(text, found, odd)) << "\"" << found.str() << "\" in: " << text;
    EXPECT_TRUE(text[0] >= 'A' && text[0] <= 'Z') << text;
    EXPECT_TRUE(text.back() == '.' || text.back() == '?') << text;
  }
}

// The sentence with its things, numbers, colours, sizes and sides taken out: what is left is the pattern.
std::string pattern_of(std::string sentence) {
  auto replace = [&](std::string_view word, const char* with) {
    std::string wanted(word);
    for (size_t at = 0; (at = sentence.find(wanted, at)) != std::string::npos;) {
      bool starts = at == 0 || !std::isalpha(static_cast<unsigned char>(sentence[at - 1]));
      bool ends = at + wanted.size() >= sentence.size() ||
                  !std::isalpha(static_cast<unsigned char>(sentence[at + wanted.size()]));
      if (starts && ends) sentence.replace(at, wanted.size(), with);
      at += 1;
    }
  };
  for (char& c : sentence) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (size_t g = 0; g < scene_backgrounds().size(); ++g) {
    const GroundPhrases& ground = ground_phrases(static_cast<int>(g));
    for (Phrases list : {ground.inside, ground.noun, ground.clause, ground.surface}) {
      for (std::string_view phrase : list) replace(phrase, "GROUND");
    }
  }
  for (size_t pass = 0; pass < 2; ++pass) {  // two-word nouns first
    for (const Kind& kind : scene_kinds()) {
      for (std::string_view noun : {kind.plural, kind.singular}) {
        if ((noun.find(' ') != std::string_view::npos) == (pass == 0)) replace(noun, "THING");
      }
    }
  }
  for (int c = 1; c < kColours; ++c) replace(colour_word(static_cast<Colour>(c)), "COLOUR");
  for (PhraseList list : {PhraseList::BigWords, PhraseList::SmallWords, PhraseList::PlainWords}) {
    for (std::string_view word : phrases(list)) replace(word, "ADJ");
  }
  for (const char* word : {"a", "an", "one", "two", "three", "four"}) replace(word, "N");
  for (const char* word : {"left", "right", "middle", "center", "top", "bottom"}) replace(word, "SIDE");
  for (const char* word : {"are"}) replace(word, "is");
  return std::regex_replace(sentence, std::regex("N (ADJ |COLOUR )*THING"), "THING");
}

TEST_P(Captions, ComeInHundredsOfPatterns) {
  std::set<std::string> patterns;
  for (int64_t i = 0; i < 1000; ++i) {
    std::string text = caption(make_scene(14, Split::Train, i), GetParam());
    for (size_t at = 0; at < text.size();) {
      size_t end = std::min(text.find_first_of(".?", at), text.size());
      patterns.insert(pattern_of(text.substr(at, end - at)));
      at = end + 2;
    }
  }
  RecordProperty("patterns", static_cast<int>(patterns.size()));
  std::printf("%s: %zu distinct sentence patterns in 1,000 captions\n", std::string(style_name(GetParam())).c_str(),
              patterns.size());
  EXPECT_GE(patterns.size(), 500u);
}

INSTANTIATE_TEST_SUITE_P(Styles, Captions, testing::Values(Style::Short, Style::Long),
                         [](const auto& p) { return std::string(style_name(p.param)); });

TEST(Phrases, NameNoThingOfTheCatalogue) {
  auto check = [](Phrases list) {
    for (std::string_view phrase : list) {
      for (const Mention& m : parse_facts(phrase)) {
        ADD_FAILURE() << "\"" << phrase << "\" names " << scene_kinds()[static_cast<size_t>(m.kind)].singular;
      }
    }
  };
  for (size_t g = 0; g < scene_backgrounds().size(); ++g) {
    const GroundPhrases& ground = ground_phrases(static_cast<int>(g));
    for (Phrases list : {ground.inside, ground.noun, ground.clause, ground.surface}) {
      EXPECT_FALSE(list.empty()) << ground.id;
      check(list);
    }
  }
  for (int c = 0; c <= static_cast<int>(Category::People); ++c) check(thoughts_for(static_cast<Category>(c)));
  for (int l = 0; l <= static_cast<int>(PhraseList::PlainWords); ++l) check(phrases(static_cast<PhraseList>(l)));
}

}  // namespace
}  // namespace galago
