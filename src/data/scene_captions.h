// Describes a scene in a small child's words, after the spirit of NanoVLM's ShortDesc (20-25 words) and LongDesc (60-70
// words, 5-6 sentences): what, how many, which colour, where and next to what come first and are true to the scene
// graph; a thought of the child's own may follow. Sentences are put together from tables (scene_phrases.h) of heads,
// facts, joins, relations, thoughts and closings.
#pragma once

#include <string>
#include <string_view>

#include "base/rng.h"
#include "data/scene.h"

namespace galago {

enum class Style { Short, Long };
std::string_view style_name(Style);       // short, long
Style style_from_name(std::string_view);  // throws InvalidInput

struct LengthRule {
  int min_words, max_words, min_sentences, max_sentences;
};
LengthRule length_rule(Style);
bool keeps_rule(std::string_view text, Style);

// Draws until the text keeps the length rule (a handful of draws); Rng decides everything.
std::string describe(const Scene&, Style, Rng&);

}  // namespace galago
