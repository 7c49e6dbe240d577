// The words of the captions, as tables. Slots: {np1} "two little red apples", {the1} "the apples", {loc1} "on the
// left", {verb1} "sit", {is1} {s1} {has1} {it1} agree in number with thing 1; {bg} and {in} tell the ground; {rel} is a
// relation. No phrase may contain a noun of the catalogue (a test reads them all), nor claim what a picture might not
// show.
#pragma once

#include <span>
#include <string_view>

#include "data/scene.h"

namespace galago {

using Phrases = std::span<const std::string_view>;

struct GroundPhrases {
  std::string_view id;  // of scene_backgrounds.def
  Phrases inside;       // "in a green meadow": leads a sentence
  Phrases noun;         // "a green meadow under a blue sky"
  Phrases clause;       // "the grass is soft and green": stands alone
  Phrases surface;      // "on the grass": where things of the zone Ground are
};

const GroundPhrases& ground_phrases(int background);  // index into scene_backgrounds()

// A verb for being somewhere, "sits|sit".
Phrases verbs_for(const Kind&, Zone, const Background&);
// What a child thinks of a thing; a sentence without its full stop, about thing 1.
Phrases thoughts_for(Category);

enum class PhraseList {
  Heads,          // "there {is1}", before noun phrases
  Facts,          // one thing: "{np1} {verb1} {loc1}"
  ShortFacts,     // one thing, after "and": "{np1} {loc1}"
  Joins,          // between two facts: " and ", ", while "
  RelationFacts,  // "{np1} {verb1} {rel} {np2}"
  Relations,      // later, about known things: "{the1} {is1} {rel} {the2}"
  Colours,        // "{the1} {is1} {colour1}"
  Sizes,          // "{the1} {is1} {size1}" for big and small things
  Openings,       // the ground first: "I am looking at {bg}"
  Showings,       // ground and things in one: "this picture shows {bg} with {npl}"
  Closings,       // whole sentences that any scene allows
  Tails,          // short clauses that any scene allows, after ", and "
  Together,       // about all things of the scene, when there are several
  BigWords,
  SmallWords,
  PlainWords
};
Phrases phrases(PhraseList);

}  // namespace galago
