// Reads a caption back into facts: which kinds it names, how many, in which colour. A small noun-phrase reader over the
// catalogue: the longest noun wins ("teddy bear" is no bear), numerals and colours are looked for to the left of it
// ("two little red apples"), and a colour may follow as "the apples are red". Used to check the generator's own
// captions and to score what a model writes: object recall and precision, count accuracy, colour accuracy.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "data/scene.h"

namespace galago {

struct Mention {
  int kind = 0;
  int count = 0;                 // of the first numeral before the noun; 0 = none said
  Colour colour = Colour::None;  // first colour said of it
  friend bool operator==(const Mention&, const Mention&) = default;
};

// One entry a kind, in order of first mention. Any text is fine; time is linear in its length.
std::vector<Mention> parse_facts(std::string_view text);

// Sums over pictures; the ratios are 0 where nothing was asked.
struct FactScores {
  int64_t shown = 0, named = 0, right = 0;      // kinds in the pictures, in the texts, in both
  int64_t counts_right = 0;                     // of `right`
  int64_t colours_told = 0, colours_right = 0;  // of `right` where the kind has a colour and the text gives one
  int64_t pictures = 0, perfect = 0;            // perfect: exactly the kinds, with their counts, no wrong colour

  void add(const Scene& truth, std::string_view text);
  double recall() const { return ratio(right, shown); }
  double precision() const { return ratio(right, named); }
  double count_accuracy() const { return ratio(counts_right, right); }
  double colour_accuracy() const { return ratio(colours_right, colours_told); }

 private:
  static double ratio(int64_t a, int64_t b) { return b == 0 ? 0.0 : static_cast<double>(a) / static_cast<double>(b); }
};

int count_words(std::string_view text);      // separated by white space
int count_sentences(std::string_view text);  // ended by . ! or ?

}  // namespace galago
