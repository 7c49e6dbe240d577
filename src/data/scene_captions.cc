#include "data/scene_captions.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "data/scene_facts.h"
#include "data/scene_phrases.h"

namespace galago {
namespace {

constexpr int kMaxDraws = 4000;    // a short text needs about 4 draws, a long one about 15
constexpr int kPatientDraws = 40;  // then long nouns are to blame: fewer adjectives, shorter places

std::string_view pick(Phrases list, Rng& rng) {
  return list[static_cast<size_t>(rng.below(static_cast<int64_t>(list.size())))];
}
std::string_view pick(std::initializer_list<std::string_view> list, Rng& rng) { return pick(Phrases(list), rng); }

std::string_view relation_words(const Relation& r, Rng& rng) {
  std::array<std::string_view, 8> fits;
  size_t n = 0;
  auto add = [&](bool holds, std::string_view a, std::string_view b) {
    if (holds) fits[n++] = rng.chance(0.5) ? a : b;
  };
  add(r.next_to, "next to", "beside");
  add(r.next_to, "next to", "close to");
  add(r.left_of, "to the left of", "on the left of");
  add(r.right_of, "to the right of", "on the right of");
  add(r.above, "above", "over");
  add(r.below, "below", "under");
  return n == 0 ? std::string_view() : fits[static_cast<size_t>(rng.below(static_cast<int64_t>(n)))];
}

// Writes one text; thrown away when its length is wrong.
class Writer {
 public:
  Writer(const Scene& scene, Rng& rng, bool terse)
      : scene_(scene), rng_(rng), terse_(terse), ground_(ground_phrases(scene.background)) {
    order_.resize(scene.objects.size());
    std::iota(order_.begin(), order_.end(), 0);
    for (size_t i = order_.size(); i > 1; --i)
      std::swap(order_[i - 1], order_[static_cast<size_t>(rng_.below(static_cast<int64_t>(i)))]);
  }

  std::string write_short();
  std::string write_long();

 private:
  const SceneObject& object(int i) const { return scene_.objects[static_cast<size_t>(i)]; }
  const Kind& kind(int i) const { return scene_kinds()[static_cast<size_t>(object(i).kind)]; }
  bool many(int i) const { return object(i).count() > 1; }
  bool tell(double p) { return rng_.chance(p); }
  int n_objects() const { return static_cast<int>(order_.size()); }

  // Words.
  std::string noun_phrase(int i);
  std::string the(int i) const { return "the " + std::string(many(i) ? kind(i).plural : kind(i).singular); }
  std::string place(int i);
  std::string verb(int i);
  std::string slot(std::string_view name, int a, int b);
  std::string expand(std::string_view phrase, int a = -1, int b = -1);
  std::string listing(bool with_places);
  std::string_view fresh(Phrases list);
  std::string draw(PhraseList list, int a = -1, int b = -1) { return expand(fresh(phrases(list)), a, b); }

  // Clauses.
  std::string ground_inside() { return std::string(pick(ground_.inside, rng_)); }
  std::string ground_clause() { return std::string(fresh(ground_.clause)); }
  std::string one_fact(int i) { return draw(PhraseList::Facts, i); }
  std::string all_facts();
  std::string relation_fact(int a, int b);
  std::string place_again(int i);
  std::string thought();
  std::string extra_fact();
  std::string idea();
  bool first_time(int fact);

  // Text.
  void sentence(std::string clause);
  int words() const { return count_words(text_); }

  const Scene& scene_;
  Rng& rng_;
  bool terse_;
  const GroundPhrases& ground_;
  std::vector<int> order_;
  std::string text_;
  std::vector<const char*> used_;
  std::vector<int> told_;  // colour (even) and size (odd) of each thing, so that no text says them twice
  std::string_view relation_;
};

std::string_view Writer::fresh(Phrases list) {
  for (int tries = 0; tries < 8; ++tries) {
    std::string_view phrase = pick(list, rng_);
    if (std::find(used_.begin(), used_.end(), phrase.data()) != used_.end()) continue;
    used_.push_back(phrase.data());
    return phrase;
  }
  return pick(list, rng_);
}

std::string Writer::noun_phrase(int i) {
  const SceneObject& o = object(i);
  std::string adjectives;
  auto add = [&](std::string_view word) { (adjectives += word) += ' '; };
  if (!terse_ && o.size == SizeClass::Big && tell(0.45))
    add(pick(phrases(PhraseList::BigWords), rng_));
  else if (!terse_ && o.size == SizeClass::Small && tell(0.40))
    add(pick(phrases(PhraseList::SmallWords), rng_));
  else if (!terse_ && tell(0.12))
    add(pick(phrases(PhraseList::PlainWords), rng_));
  if (kind(i).colour != Colour::None && tell(0.93)) add(colour_word(kind(i).colour));
  std::string rest = adjectives + std::string(many(i) ? kind(i).plural : kind(i).singular);
  constexpr std::string_view kNumerals[] = {"", "one", "two", "three", "four"};
  if (many(i) || tell(0.2)) return std::string(kNumerals[o.count()]) + " " + rest;
  bool an = std::string_view("aeiou").find(rest[0]) != std::string_view::npos && !rest.starts_with("uni");
  return (an ? "an " : "a ") + rest;
}

std::string Writer::verb(int i) {
  std::string_view pair = pick(verbs_for(kind(i), object(i).zone, scene_backgrounds()[scene_.background]), rng_);
  size_t bar = pair.find('|');
  return std::string(many(i) ? pair.substr(bar + 1) : pair.substr(0, bar));
}

std::string_view across_word(Across across) {
  return across == Across::Left ? "left" : across == Across::Right ? "right" : "middle";
}

// Where thing i is, in two to seven words.
std::string Writer::place(int i) {
  const SceneObject& o = object(i);
  std::string side(across_word(o.across));
  bool middle = o.across == Across::Middle;
  std::string short_side = middle ? "in the middle" : "on the " + side;
  if (terse_) return short_side;
  if (o.height != Height::None && tell(0.8)) {
    if (o.height == Height::Centre)
      return middle ? std::string(pick({"in the middle", "right in the center", "in the very middle"}, rng_))
                    : short_side;
    std::string level = o.height == Height::Top ? "top" : "bottom";
    if (!middle && tell(0.3)) return "at the " + level + " " + side;
    if (!middle && tell(0.3)) return "in the " + level + " " + side + " corner";
    return tell(0.5) ? "at the " + level + " " + short_side : short_side + " at the " + level;
  }
  if (o.zone == Zone::Sky && tell(0.75)) {
    std::string up(pick({"in the sky", "up in the sky", "high up", "high in the air", "up in the air"}, rng_));
    return tell(0.25) ? up : tell(0.5) ? up + " " + short_side : short_side + " " + up;
  }
  if (o.zone == Zone::Ground && tell(0.45)) {
    std::string on(pick(ground_.surface, rng_));
    return tell(0.5) ? on + " " + short_side : short_side + " " + on;
  }
  if (o.zone == Zone::Water && tell(0.45)) {
    bool boat = kind(i).home == Home::Float;
    std::string in(boat ? pick({"on the water", "on the sea", "on the waves"}, rng_)
                        : pick({"in the water", "in the blue water", "in the sea"}, rng_));
    return tell(0.5) ? in + " " + short_side : short_side + " " + in;
  }
  if (middle) return std::string(pick({"in the middle", "in the middle", "in the center"}, rng_));
  return tell(0.7) ? short_side : "on the " + side + " side";
}

// {np1} {the2} {loc1} ...: the digit names the thing, a for 1 and b for 2.
std::string Writer::slot(std::string_view name, int a, int b) {
  if (name == "bg") return std::string(pick(ground_.noun, rng_));
  if (name == "in") return ground_inside();
  if (name == "rel") return std::string(relation_);
  if (name == "npl") return listing(false);
  if (name == "isl") return many(order_[0]) ? "are" : "is";
  size_t digit = name.find_first_of("12");
  CHECK(digit != std::string_view::npos, "unknown slot {}", name);
  int i = name[digit] == '1' ? a : b;
  CHECK(i >= 0, "slot {} without a thing", name);
  std::string_view key = name.substr(0, digit);
  bool person = kind(i).category == Category::People;
  if (key == "np") return noun_phrase(i);
  if (key == "the") return the(i);
  if (key == "loc") return place(i);
  if (key == "verb") return verb(i);
  if (key == "is") return many(i) ? "are" : "is";
  if (key == "has") return many(i) ? "have" : "has";
  if (key == "s") return many(i) ? "" : "s";
  if (key == "es") return many(i) ? "" : "es";
  if (key == "its") return many(i) || person ? "their" : "its";
  if (key == "colour") return std::string(colour_word(kind(i).colour));
  if (key == "size")
    return std::string(object(i).size == SizeClass::Big ? pick({"big", "large"}, rng_) : pick({"small", "tiny"}, rng_));
  if (key == "it" && name.ends_with("o")) return many(i) ? "them" : person ? the(i) : "it";
  if (key == "it") return many(i) ? "they" : person ? the(i) : "it";
  CHECK(false, "unknown slot {}", name);
  return {};
}

std::string Writer::expand(std::string_view phrase, int a, int b) {
  std::string out;
  for (size_t at = 0; at < phrase.size();) {
    size_t open = phrase.find('{', at);
    out += phrase.substr(at, open - at);
    if (open == std::string_view::npos) break;
    size_t close = phrase.find('}', open);
    out += slot(phrase.substr(open + 1, close - open - 1), a, b);
    at = close + 1;
  }
  return out;
}

// "a red apple, two dogs and a kite", perhaps each with its place.
std::string Writer::listing(bool with_places) {
  std::string out;
  for (int k = 0; k < n_objects(); ++k) {
    if (k > 0) out += k + 1 == n_objects() ? " and " : ", ";
    out += noun_phrase(order_[static_cast<size_t>(k)]);
    bool unsaid = terse_ && n_objects() > 2 && tell(0.25);  // three long nouns leave no room for three places
    if (with_places && !unsaid) out += " " + place(order_[static_cast<size_t>(k)]);
  }
  return out;
}

std::string Writer::all_facts() {
  if (tell(0.45)) return draw(PhraseList::Heads, order_[0]) + " " + listing(true);
  std::string out = one_fact(order_[0]);
  for (int k = 1; k < n_objects(); ++k) {
    bool last = k + 1 == n_objects();
    std::string_view join = last ? pick(phrases(PhraseList::Joins), rng_) : std::string_view(", ");
    // "someone put a cup there and on the left a spoon" reads well only with a verb of its own after "while".
    PhraseList list = tell(0.5) ? PhraseList::Facts : PhraseList::ShortFacts;
    std::string fact = list == PhraseList::Facts || join == " while "
                           ? one_fact(order_[static_cast<size_t>(k)])
                           : expand(fresh(phrases(list)), order_[static_cast<size_t>(k)]);
    out += std::string(join) + fact;
  }
  return out;
}

// Two things by their relation; the place of the one named last is added. Empty if no clear relation holds.
std::string Writer::relation_fact(int a, int b) {
  relation_ = relation_words(relation(object(a), object(b)), rng_);
  if (relation_.empty()) return {};
  std::string_view phrase = fresh(phrases(PhraseList::RelationFacts));
  std::string out = expand(phrase, a, b);
  return out + " " + place(phrase.ends_with("{np2}") ? b : a);
}

std::string Writer::place_again(int i) {
  return expand(pick({"{the1} {verb1} {loc1}", "{the1} {is1} {loc1}", "{loc1} {verb1} {the1}", "you find {the1} {loc1}",
                      "{the1} {has1} a place {loc1}", "I point at {the1} {loc1}"},
                     rng_),
                i);
}

std::string Writer::thought() {
  int i = order_[static_cast<size_t>(rng_.below(n_objects()))];
  return expand(fresh(thoughts_for(kind(i).category)), i);
}

// A relation, a colour or a size that is true; a thought when none is there to tell.
std::string Writer::extra_fact() {
  for (int tries = 0; tries < 6; ++tries) {
    int i = order_[static_cast<size_t>(rng_.below(n_objects()))],
        j = order_[static_cast<size_t>(rng_.below(n_objects()))];
    if (i != j && tell(0.6)) {
      relation_ = relation_words(relation(object(i), object(j)), rng_);
      if (!relation_.empty()) return draw(PhraseList::Relations, i, j);
    }
    if (kind(i).colour != Colour::None && tell(0.5) && first_time(2 * i)) return draw(PhraseList::Colours, i);
    if (object(i).size != SizeClass::Medium && tell(0.35) && first_time(2 * i + 1)) return draw(PhraseList::Sizes, i);
  }
  return thought();
}

bool Writer::first_time(int fact) {
  if (std::find(told_.begin(), told_.end(), fact) != told_.end()) return false;
  told_.push_back(fact);
  return true;
}

std::string Writer::idea() {
  if (n_objects() > 1 && tell(0.2)) return draw(PhraseList::Together);
  return tell(0.6) ? thought() : draw(PhraseList::Closings);
}

void Writer::sentence(std::string clause) {
  if (clause[0] >= 'a' && clause[0] <= 'z') clause[0] = static_cast<char>(clause[0] - 32);
  bool question = clause.starts_with("What ") || clause.starts_with("Can ");
  if (!text_.empty()) text_ += ' ';
  text_ += clause + (question ? "?" : ".");
}

std::string Writer::write_short() {
  int form = static_cast<int>(rng_.below(4));
  bool ground_told = true;
  if (form == 0) {
    std::string facts = ground_inside() + (tell(0.5) ? ", " : " ") + all_facts();
    if (tell(0.4)) facts += ", and " + draw(PhraseList::Tails);
    sentence(facts);
  } else if (form == 1) {
    std::string facts = all_facts();
    ground_told = tell(0.6);
    sentence(ground_told ? facts + ", and " + ground_clause() : facts);
  } else if (form == 2) {
    sentence(draw(PhraseList::Showings));
    std::string places = place_again(order_[0]);
    for (int k = 1; k < n_objects(); ++k)
      places += (k + 1 == n_objects() ? " and " : ", ") + place_again(order_[static_cast<size_t>(k)]);
    sentence(places);
  } else {
    std::string fact = n_objects() > 1 ? relation_fact(order_[0], order_[1]) : one_fact(order_[0]);
    if (fact.empty()) return {};
    if (n_objects() > 2) fact += ", and " + one_fact(order_[2]);
    ground_told = tell(0.5);
    sentence(ground_told ? ground_inside() + (tell(0.5) ? ", " : " ") + fact : fact);
  }
  if (!ground_told) sentence(tell(0.3) ? ground_clause() + ", and " + draw(PhraseList::Tails) : ground_clause());
  if (words() < 20) sentence(tell(0.5) ? idea() : tell(0.5) ? draw(PhraseList::Tails) : extra_fact());
  return text_;
}

std::string Writer::write_long() {
  int form = static_cast<int>(rng_.below(4));
  bool ground_told = form != 3;
  if (form == 0) {  // everything at once, then where
    sentence(draw(PhraseList::Showings));
    for (int i : order_) sentence(place_again(i));
  } else if (form == 1) {  // the ground, then thing by thing
    sentence(draw(PhraseList::Openings));
    for (int i : order_) sentence(one_fact(i));
  } else if (form == 2) {
    sentence(ground_inside() + (tell(0.6) ? ", " : " ") + all_facts());
  } else {
    std::string fact = n_objects() > 1 ? relation_fact(order_[0], order_[1]) : one_fact(order_[0]);
    if (fact.empty()) return {};
    sentence(fact);
    if (n_objects() > 2) sentence(one_fact(order_[2]));
    sentence(ground_clause());
  }
  int wanted = 5 + static_cast<int>(rng_.below(2)), n = count_sentences(text_);
  for (; n < wanted; ++n) {
    int left = wanted - n;
    std::string next =
        left > 2 || (left == 2 && tell(0.4)) ? (tell(0.2) && ground_told ? ground_clause() : extra_fact()) : idea();
    if (tell(0.4)) next += ", and " + (tell(0.5) ? draw(PhraseList::Tails) : thought());
    sentence(next);
  }
  return text_;
}

}  // namespace

std::string_view style_name(Style style) { return style == Style::Short ? "short" : "long"; }

Style style_from_name(std::string_view name) {
  if (name == "short") return Style::Short;
  if (name == "long") return Style::Long;
  throw invalid_input("style \"{}\": expected short or long", name);
}

LengthRule length_rule(Style style) {
  return style == Style::Short ? LengthRule{20, 25, 1, 3} : LengthRule{60, 70, 5, 6};
}

bool keeps_rule(std::string_view text, Style style) {
  LengthRule rule = length_rule(style);
  int words = count_words(text), sentences = count_sentences(text);
  return words >= rule.min_words && words <= rule.max_words && sentences >= rule.min_sentences &&
         sentences <= rule.max_sentences;
}

std::string describe(const Scene& scene, Style style, Rng& rng) {
  CHECK(!scene.objects.empty(), "a scene without things");
  std::string text;
  for (int draws = 0; draws < kMaxDraws; ++draws) {
    Writer writer(scene, rng, style == Style::Short && draws >= kPatientDraws);
    text = style == Style::Short ? writer.write_short() : writer.write_long();
    if (keeps_rule(text, style)) return text;
  }
  return text;  // not seen in 120,000 scenes; a caller that counts finds it with keeps_rule()
}

}  // namespace galago
