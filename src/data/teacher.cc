#include "data/teacher.h"

#include <algorithm>
#include <array>
#include <climits>
#include <functional>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "data/scene_facts.h"

namespace galago {
namespace {

constexpr size_t kMaxCaptions = 20, kMaxText = 20000, kMaxLine = 1 << 20;

// Calls body(json, subject) for every line that is not empty; subject is "file:line" for messages.
void for_each_line(const std::string& path, const std::function<void(const Json&, const std::string&)>& body) {
  auto file = MappedFile::open(path);
  std::string_view rest(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  for (int64_t number = 1; !rest.empty(); ++number) {
    size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    std::string subject = fmt::format("{}:{}", path, number);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (line.size() > kMaxLine)
      throw invalid_input("{}: line of {} bytes, expected at most {}", subject, line.size(), kMaxLine);
    body(parse_json(line, subject), subject);
  }
}

std::string text_field(const Json& j, const char* name, const std::string& subject) {
  if (!j.is_object() || !j.contains(name) || !j[name].is_string()) {
    throw invalid_input("{}: no text field \"{}\"; expected one JSON object a line that has it", subject, name);
  }
  std::string text = j[name];
  if (text.size() > kMaxText)
    throw invalid_input("{}: \"{}\" has {} bytes, expected at most {}", subject, name, text.size(), kMaxText);
  return text;
}

std::string id_of(const CaptionedPicture& picture, Style style) {
  return picture.image + "#" + std::string(style_name(style));
}

Json output_line(const CaptionedPicture& picture, Style style, const std::string& text) {
  return {{"image", picture.image}, {"captions", picture.captions}, {"style", style_name(style)}, {"text", text}};
}

// One blank between words, no quotation marks, no stop at the end.
std::string cleaned(std::string_view caption) {
  std::string out;
  bool blank = false;
  for (char c : caption) {
    if (static_cast<unsigned char>(c) <= ' ') {
      blank = !out.empty();
      continue;
    }
    if (c == '"' || c == '`') continue;
    if (blank && c != '.' && c != ',') out += ' ';
    blank = false;
    out += c;
  }
  while (!out.empty() && std::string_view(".!?;:, ").find(out.back()) != std::string_view::npos) out.pop_back();
  return out;
}

std::string as_sentence(std::string text) {
  if (text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 32);
  // A stop inside would count as a sentence of its own.
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.' || text[i] == '!' || text[i] == '?') text[i] = ',';
  }
  return text + ".";
}

// Between 2 and 12 words, so that some sum of them fills most gaps.
constexpr std::array<std::string_view, 10> kFillers = {"I like it.",
                                                       "It makes me smile.",
                                                       "I want to go there too.",
                                                       "I would like to see more of it.",
                                                       "Maybe something fun will happen there very soon.",
                                                       "I wonder what all of them will do after this.",
                                                       "It feels like a story that I want to hear again.",
                                                       "I would tell my mama and all of my friends about it.",
                                                       "What will happen next?",
                                                       "So nice."};

int distance(int value, int low, int high) { return value < low ? low - value : value > high ? value - high : 0; }

int misses(int words, int sentences, Style style) {
  LengthRule rule = length_rule(style);
  return distance(words, rule.min_words, rule.max_words) +
         4 * distance(sentences, rule.min_sentences, rule.max_sentences);
}

// Which sentences to take, as a bit mask over the list; the fullest mask wins among equals.
struct Choice {
  uint32_t mask = 0;
  int missed = INT_MAX, fillers = INT_MAX;
};

Choice choose(const std::vector<std::string>& sentences, size_t n_captions, Style style) {
  Choice best;
  std::vector<int> words;
  for (const std::string& s : sentences) words.push_back(count_words(s));
  for (uint32_t mask = 1; mask < (1u << sentences.size()); ++mask) {
    int total = 0, n = 0, fillers = 0;
    for (size_t i = 0; i < sentences.size(); ++i) {
      if (!(mask >> i & 1)) continue;
      total += words[i], ++n, fillers += i >= n_captions;
    }
    if (n == fillers) continue;  // at least one caption
    int missed = misses(total, n, style);
    if (missed < best.missed || (missed == best.missed && fillers < best.fillers)) best = {mask, missed, fillers};
  }
  return best;
}

}  // namespace

std::vector<CaptionedPicture> read_captions(const std::string& path) {
  std::vector<CaptionedPicture> pictures;
  std::unordered_set<std::string> seen;
  for_each_line(path, [&](const Json& j, const std::string& subject) {
    CaptionedPicture picture{text_field(j, "image", subject), {}};
    if (!j.contains("captions") || !j["captions"].is_array() || j["captions"].empty() ||
        j["captions"].size() > kMaxCaptions) {
      throw invalid_input("{}: \"captions\" must be a list of 1 to {} texts", subject, kMaxCaptions);
    }
    for (const Json& caption : j["captions"]) {
      if (!caption.is_string()) throw invalid_input("{}: \"captions\" holds something that is no text", subject);
      picture.captions.push_back(caption);
    }
    if (!seen.insert(picture.image).second) {
      throw invalid_input("{}: picture {} is listed twice; put all its captions on one line", subject, picture.image);
    }
    pictures.push_back(std::move(picture));
  });
  return pictures;
}

std::string teacher_prompt(const CaptionedPicture& picture, Style style) {
  LengthRule rule = length_rule(style);
  std::string length = style == Style::Short ? fmt::format("{} to {} words", rule.min_words, rule.max_words)
                                             : fmt::format("{} to {} words in {} to {} sentences", rule.min_words,
                                                           rule.max_words, rule.min_sentences, rule.max_sentences);
  std::string prompt = fmt::format(
      "You are a child of four or five years who tells about a picture. Write one description of {}, in very simple "
      "English words. Several people described the picture; their sentences are below, and you know nothing else about "
      "it. Tell it like a small scene that stays the same from the first sentence to the last. Be curious, fresh and "
      "imaginative, but say nothing that the sentences contradict. Do not begin with a set phrase, and do not repeat "
      "cries such as \"oh\", \"wow\" or \"look\". Answer with the description only.\n\nSentences:\n",
      length);
  for (const std::string& caption : picture.captions) prompt += "- " + cleaned(caption) + "\n";
  return prompt;
}

int64_t build_teacher_prompts(const std::string& captions_path, const std::string& prompts_path, Style style) {
  auto pictures = read_captions(captions_path);
  AtomicFile out(prompts_path);
  for (const CaptionedPicture& picture : pictures) {
    Json line = {{"id", id_of(picture, style)},
                 {"image", picture.image},
                 {"captions", picture.captions},
                 {"style", style_name(style)},
                 {"prompt", teacher_prompt(picture, style)}};
    out.write(line.dump() + "\n");
  }
  out.commit();
  return static_cast<int64_t>(pictures.size());
}

std::string TeacherReport::summary() const {
  return fmt::format(
      "{} pictures, {} texts, {} outside the length ({:.1f} %), {} without an answer, {} answers to no picture",
      pictures, texts, outside_length, 100 * outside_share(), missing, unknown);
}

TeacherReport join_teacher_answers(const std::string& captions_path, const std::string& answers_path,
                                   const std::string& output_path, Style style) {
  auto pictures = read_captions(captions_path);
  std::unordered_map<std::string, std::string> answers;
  for_each_line(answers_path, [&](const Json& j, const std::string& subject) {
    answers[text_field(j, "id", subject)] = text_field(j, "text", subject);
  });
  TeacherReport report;
  AtomicFile out(output_path);
  size_t used = 0;
  for (const CaptionedPicture& picture : pictures) {
    ++report.pictures;
    auto answer = answers.find(id_of(picture, style));
    used += answer != answers.end();
    if (answer == answers.end() || count_words(answer->second) == 0) {
      ++report.missing;
      continue;
    }
    ++report.texts;
    report.outside_length += !keeps_rule(answer->second, style);
    out.write(output_line(picture, style, answer->second).dump() + "\n");
  }
  report.unknown = static_cast<int64_t>(answers.size() - used);
  out.commit();
  return report;
}

std::string template_description(const CaptionedPicture& picture, Style style) {
  std::vector<std::string> sentences;
  for (const std::string& caption : picture.captions) {
    std::string text = cleaned(caption);
    if (text.empty()) continue;
    std::string sentence = as_sentence(text);
    bool known = std::find(sentences.begin(), sentences.end(), sentence) != sentences.end();
    if (!known && sentences.size() < 6) sentences.push_back(sentence);  // more than six fit no style
  }
  size_t n_captions = sentences.size();
  if (n_captions == 0) return {};
  sentences.insert(sentences.end(), kFillers.begin(), kFillers.end());
  Choice choice = choose(sentences, n_captions, style);
  std::string text;
  for (size_t i = 0; i < sentences.size(); ++i) {
    if (choice.mask >> i & 1) text += (text.empty() ? "" : " ") + sentences[i];
  }
  return text;
}

TeacherReport build_template_set(const std::string& captions_path, const std::string& output_path, Style style) {
  TeacherReport report;
  AtomicFile out(output_path);
  for (const CaptionedPicture& picture : read_captions(captions_path)) {
    ++report.pictures;
    std::string text = template_description(picture, style);
    if (text.empty()) {
      ++report.missing;
      continue;
    }
    ++report.texts;
    report.outside_length += !keeps_rule(text, style);
    out.write(output_line(picture, style, text).dump() + "\n");
  }
  out.commit();
  return report;
}

}  // namespace galago
