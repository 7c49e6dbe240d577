#include "data/scene_facts.h"

#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>
#include <unordered_set>

namespace galago {
namespace {

// Lower-case words; a punctuation mark is a word of its own, so a noun phrase never reaches across it.
std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  auto flush = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (char c : text) {
    unsigned char u = static_cast<unsigned char>(c);
    bool letter =
        (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9') || u == '\'' || u == '-' || u >= 128;
    if (letter) {
      word += static_cast<char>(u >= 'A' && u <= 'Z' ? u + 32 : u);
      continue;
    }
    flush();
    if (u > ' ') words.emplace_back(1, c);
  }
  flush();
  return words;
}

struct Noun {
  std::vector<std::string> words;
  int kind;
};

// By first word, the longest first.
const std::unordered_map<std::string, std::vector<Noun>>& nouns() {
  static const auto table = [] {
    std::unordered_map<std::string, std::vector<Noun>> t;
    auto kinds = scene_kinds();
    for (size_t i = 0; i < kinds.size(); ++i) {
      for (std::string_view name : {kinds[i].singular, kinds[i].plural}) {
        auto words = split_words(name);
        t[words[0]].push_back({words, static_cast<int>(i)});
      }
    }
    for (auto& [first, list] : t) {
      std::stable_sort(list.begin(), list.end(),
                       [](const Noun& a, const Noun& b) { return a.words.size() > b.words.size(); });
    }
    return t;
  }();
  return table;
}

const Noun* noun_at(const std::vector<std::string>& words, size_t at) {
  auto found = nouns().find(words[at]);
  if (found == nouns().end()) return nullptr;
  for (const Noun& noun : found->second) {
    if (at + noun.words.size() > words.size()) continue;
    if (std::equal(noun.words.begin(), noun.words.end(), words.begin() + static_cast<ptrdiff_t>(at))) return &noun;
  }
  return nullptr;
}

int numeral(const std::string& word) {
  static const std::unordered_map<std::string, int> table = {
      {"a", 1},    {"an", 1},  {"one", 1},   {"two", 2},   {"three", 3}, {"four", 4},
      {"five", 5}, {"six", 6}, {"seven", 7}, {"eight", 8}, {"nine", 9},  {"ten", 10},
      {"1", 1},    {"2", 2},   {"3", 3},     {"4", 4},     {"5", 5},     {"6", 6}};
  auto found = table.find(word);
  return found == table.end() ? 0 : found->second;
}

// Words that end the search for a numeral to the left of a noun.
bool closes_phrase(const std::string& word) {
  static const std::unordered_set<std::string> table = {
      "the", "this", "that", "these", "those", "my",   "your", "its", "their", "our",  "his",  "her", "and",
      "or",  "of",   "in",   "on",    "at",    "to",   "by",   "for", "with",  "from", "near", "is",  "are",
      "was", "were", "see",  "has",   "have",  "like", "no",   "not", "under", "over", "but",  "than"};
  return table.contains(word) || word.find_first_of(".,;:!?\"()") != std::string::npos;
}

constexpr int kPhraseReach = 4;  // adjectives between a numeral and its noun, at most

Mention read_left(const std::vector<std::string>& words, size_t at, size_t stop, int kind) {
  Mention m{kind, 0, Colour::None};
  for (int k = 1; k <= kPhraseReach && at >= stop + static_cast<size_t>(k); ++k) {
    const std::string& word = words[at - static_cast<size_t>(k)];
    if (closes_phrase(word)) break;
    if (int n = numeral(word)) {
      m.count = n;
      break;
    }
    if (m.colour == Colour::None) m.colour = colour_from_word(word);
  }
  return m;
}

// "the apples are all red": a colour right after is/are, with at most two small words between.
Colour read_right(const std::vector<std::string>& words, size_t after) {
  static const std::unordered_set<std::string> between = {"so",     "very", "all",  "really",
                                                          "bright", "both", "nice", "and"};
  if (after >= words.size() || (words[after] != "is" && words[after] != "are")) return Colour::None;
  for (size_t i = after + 1; i < words.size() && i <= after + 3; ++i) {
    if (Colour c = colour_from_word(words[i]); c != Colour::None) return c;
    if (!between.contains(words[i])) break;
  }
  return Colour::None;
}

void merge(std::vector<Mention>& list, const Mention& m) {
  auto known = std::find_if(list.begin(), list.end(), [&](const Mention& k) { return k.kind == m.kind; });
  if (known == list.end()) {
    list.push_back(m);
    return;
  }
  if (known->count == 0) known->count = m.count;
  if (known->colour == Colour::None) known->colour = m.colour;
}

}  // namespace

std::vector<Mention> parse_facts(std::string_view text) {
  std::vector<std::string> words = split_words(text);
  std::vector<Mention> mentions;
  size_t stop = 0;  // behind the noun before, which bounds the next phrase
  for (size_t at = 0; at < words.size();) {
    const Noun* noun = noun_at(words, at);
    if (!noun) {
      ++at;
      continue;
    }
    Mention m = read_left(words, at, stop, noun->kind);
    at += noun->words.size();
    if (m.colour == Colour::None) m.colour = read_right(words, at);
    merge(mentions, m);
    stop = at;
  }
  return mentions;
}

void FactScores::add(const Scene& truth, std::string_view text) {
  auto mentions = parse_facts(text);
  int64_t hits = 0, counts = 0, wrong_colours = 0;
  for (const Mention& m : mentions) {
    auto object = std::find_if(truth.objects.begin(), truth.objects.end(),
                               [&](const SceneObject& o) { return o.kind == m.kind; });
    if (object == truth.objects.end()) continue;
    ++hits;
    counts += m.count == object->count();
    Colour colour = scene_kinds()[static_cast<size_t>(m.kind)].colour;
    if (colour == Colour::None || m.colour == Colour::None) continue;
    ++colours_told;
    (m.colour == colour ? colours_right : wrong_colours) += 1;
  }
  auto n_shown = static_cast<int64_t>(truth.objects.size()), n_named = static_cast<int64_t>(mentions.size());
  shown += n_shown;
  named += n_named;
  right += hits;
  counts_right += counts;
  ++pictures;
  perfect += hits == n_shown && hits == n_named && counts == hits && wrong_colours == 0;
}

int count_words(std::string_view text) {
  int n = 0;
  bool inside = false;
  for (char c : text) {
    bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    n += !space && !inside;
    inside = !space;
  }
  return n;
}

int count_sentences(std::string_view text) {
  int n = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    bool mark = text[i] == '.' || text[i] == '!' || text[i] == '?';
    bool more = i + 1 < text.size() && (text[i + 1] == '.' || text[i + 1] == '!' || text[i + 1] == '?');
    n += mark && !more;
  }
  return n;
}

}  // namespace galago
