#include "eval/judge.h"

#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/interrupt.h"

namespace galago {
namespace {

constexpr uint64_t kMaxFileBytes = 1ull << 30;
constexpr int kMaxGrade = 10;

void each_line(const std::string& path, const std::function<void(const Json&, int64_t)>& visit) {
  std::string lines = read_file(path, kMaxFileBytes);
  int64_t number = 1;
  for (size_t at = 0; at < lines.size(); ++number) {
    size_t end = std::min(lines.find('\n', at), lines.size());
    std::string_view line = std::string_view(lines).substr(at, end - at);
    std::string subject = fmt::format("{}:{}", path, number);
    if (line.find_first_not_of(" \t\r") != line.npos) {
      Json json = parse_json(line, subject);
      if (!json.is_object()) throw invalid_input("{}: expected one JSON object a line", subject);
      visit(json, number);
    }
    at = end + 1;
  }
}

std::string id_of(const Json& json, int64_t number) {
  if (!json.contains("id")) return std::to_string(number);
  return json["id"].is_string() ? json["id"].get<std::string>() : json["id"].dump();
}

std::string text_field(const Json& json, const char* name, const std::string& subject) {
  if (!json.contains(name) || !json[name].is_string())
    throw invalid_input("{}: no text \"{}\"; expected lines of `galago eval scenes --begin-words N --out FILE`",
                        subject, name);
  return json[name].get<std::string>();
}

std::optional<int> whole_grade(const Json& value) {
  if (!value.is_number()) return {};
  double v = value.get<double>();
  return v >= 0 && v <= kMaxGrade && v == static_cast<int>(v) ? std::optional(static_cast<int>(v)) : std::nullopt;
}

std::optional<JudgeScores> scores_from_json(const Json& json) {
  JudgeScores scores;
  if (!json.is_object()) return {};
  for (size_t i = 0; i < kCriteria; ++i) {
    auto found = json.find(kCriterionNames[i]);
    std::optional<int> grade = found == json.end() ? std::nullopt : whole_grade(*found);
    if (!grade) return {};
    scores[i] = *grade;
  }
  return scores;
}

// The first {...} of the reply; grades hold no nested objects.
std::optional<JudgeScores> scores_from_object(std::string_view reply) {
  size_t begin = reply.find('{');
  if (begin == reply.npos) return {};
  size_t end = reply.find('}', begin);
  if (end == reply.npos) return {};
  Json json = Json::parse(reply.substr(begin, end - begin + 1), nullptr, false);
  return json.is_discarded() ? std::nullopt : scores_from_json(json);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

// A whole number 0..10 at `at`, perhaps followed by "/10"; "8.5" is none.
std::optional<int> number_at(std::string_view text, size_t at) {
  int value = 0;
  size_t end = at;
  for (; end < text.size() && is_digit(text[end]) && end < at + 3; ++end) value = value * 10 + (text[end] - '0');
  bool fraction = end + 1 < text.size() && (text[end] == '.' || text[end] == ',') && is_digit(text[end + 1]);
  if (end == at || value > kMaxGrade || fraction) return {};
  return value;
}

// "grammar" as a word of its own, then at most 16 bytes that are no digit, then the number, all on one line. A word
// that is followed by no number ("the grammar is fine") is passed over.
std::optional<int> grade_behind(std::string_view text, std::string_view key) {
  constexpr size_t kReach = 16;
  for (size_t at = text.find(key); at != text.npos; at = text.find(key, at + 1)) {
    size_t end = at + key.size();
    bool word = (at == 0 || !is_letter(text[at - 1])) && (end >= text.size() || !is_letter(text[end]));
    if (!word) continue;
    size_t digit = end;
    while (digit < text.size() && digit < end + kReach && !is_digit(text[digit]) && text[digit] != '\n') ++digit;
    if (digit > end && text[digit - 1] == '-') continue;  // below zero
    if (auto grade = number_at(text, digit)) return grade;
  }
  return {};
}

std::optional<JudgeScores> scores_from_words(std::string_view reply) {
  std::string lower(reply);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  JudgeScores scores;
  for (size_t i = 0; i < kCriteria; ++i) {
    auto grade = grade_behind(lower, kCriterionNames[i]);
    if (!grade) return {};
    scores[i] = *grade;
  }
  return scores;
}

std::optional<JudgeScores> scores_of_line(const Json& json) {
  if (json.contains("scores")) return scores_from_json(json["scores"]);
  if (json.contains("reply") && json["reply"].is_string()) return parse_judge_reply(json["reply"].get<std::string>());
  return scores_from_json(json);
}

JudgeSummary summarise(const std::map<std::string, JudgeScores>& scores, const std::vector<JudgeItem>& items) {
  JudgeSummary s;
  for (const JudgeItem& item : items) {
    ++s.items;
    auto found = scores.find(item.id);
    if (found == scores.end()) continue;
    ++s.scored;
    for (size_t i = 0; i < kCriteria; ++i) s.means[i] += found->second[i];
  }
  for (double& mean : s.means) mean /= static_cast<double>(std::max<int64_t>(s.scored, 1));
  return s;
}

struct ScoreFile {
  std::map<std::string, JudgeScores> scores;
  std::set<std::string> malformed;
};

ScoreFile read_scores(const std::string& path) {
  ScoreFile file;
  each_line(path, [&](const Json& json, int64_t number) {
    std::string id = id_of(json, number);
    if (auto scores = scores_of_line(json)) {
      file.scores[id] = *scores;
      file.malformed.erase(id);
    } else if (!file.scores.contains(id)) {
      file.malformed.insert(id);
    }
  });
  return file;
}

// Adds whole lines to a file, each on disk before the next is asked for.
class LineAppender {
 public:
  explicit LineAppender(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "ab"), std::fclose) {
    if (!file_) throw io_error("{}: cannot be written; choose another --out", path);
  }
  void add(const Json& json) {
    std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    bool ok = std::fwrite(line.data(), 1, line.size(), file_.get()) == line.size() && std::fflush(file_.get()) == 0;
    if (!ok) throw io_error("{}: cannot be written; is the disk full?", path_);
  }

 private:
  std::string path_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

Json scores_to_json(const JudgeScores& scores) {
  Json json;
  for (size_t i = 0; i < kCriteria; ++i) json[std::string(kCriterionNames[i])] = scores[i];
  return json;
}

}  // namespace

std::vector<JudgeItem> read_judge_items(const std::string& path) {
  std::vector<JudgeItem> items;
  std::set<std::string> ids;
  each_line(path, [&](const Json& json, int64_t number) {
    std::string subject = fmt::format("{}:{}", path, number);
    JudgeItem item{id_of(json, number), text_field(json, "beginning", subject),
                   text_field(json, "completion", subject)};
    if (!ids.insert(item.id).second)
      throw invalid_input("{}: id {} occurs twice; expected one line an id", subject, item.id);
    items.push_back(std::move(item));
  });
  if (items.empty()) throw invalid_input("{}: no items; expected one JSON object a line", path);
  return items;
}

std::string judge_prompt(const JudgeItem& item) {
  return fmt::format(
      "A small language model was given the beginning of a picture description and wrote the rest. The exercise tests "
      "the language and the imagination that children of three to four years have. Judge only the model's part, and "
      "how it goes on from the beginning; you do not see the picture.\n\n"
      "Beginning: {}\nThe model's part: {}\n\n"
      "Give a whole number from 0 (worst) to 10 (best) for each of these:\n"
      "grammar: are the sentences correct?\n"
      "creativity: are there ideas of its own?\n"
      "consistency: does it fit the beginning and itself?\n"
      "meaningfulness: does it say something that makes sense?\n"
      "plot: does it hang together from beginning to end?\n\n"
      "Answer with one JSON object and nothing else, with the keys grammar, creativity, consistency, meaningfulness, "
      "plot.",
      item.beginning, item.completion);
}

void write_judge_prompts(const std::string& path, const std::vector<JudgeItem>& items) {
  AtomicFile file(path);
  for (const JudgeItem& item : items) {
    Json json = {{"id", item.id},
                 {"beginning", item.beginning},
                 {"completion", item.completion},
                 {"prompt", judge_prompt(item)}};
    file.write(json.dump() + "\n");
  }
  file.commit();
}

std::optional<JudgeScores> parse_judge_reply(std::string_view reply) {
  constexpr size_t kLongest = 64 << 10;  // a judge that writes more has not answered
  if (reply.size() > kLongest) return {};
  if (auto scores = scores_from_object(reply)) return scores;
  return scores_from_words(reply);
}

double JudgeSummary::overall() const { return std::accumulate(means.begin(), means.end(), 0.0) / kCriteria; }

JudgeSummary read_judge_scores(const std::string& path, const std::vector<JudgeItem>& items) {
  ScoreFile file = read_scores(path);
  JudgeSummary summary = summarise(file.scores, items);
  for (const JudgeItem& item : items) summary.malformed += file.malformed.contains(item.id);
  return summary;
}

JudgeSummary run_judge(const std::string& path, const std::vector<JudgeItem>& items, const AskJudge& ask,
                       const std::string& judge_name, int tries,
                       const std::function<void(int64_t, int64_t)>& progress) {
  std::map<std::string, JudgeScores> scores;
  if (std::filesystem::exists(path)) scores = read_scores(path).scores;
  LineAppender out(path);
  int64_t done = 0, malformed = 0, failed = 0;
  for (const JudgeItem& item : items) {
    if (interrupted()) break;
    if (progress) progress(done++, std::ssize(items));
    if (scores.contains(item.id)) continue;
    std::optional<std::string> reply;
    std::optional<JudgeScores> grades;
    for (int i = 0; i < tries && !grades && !interrupted(); ++i) {
      reply = ask(judge_prompt(item));
      if (!reply) break;
      grades = parse_judge_reply(*reply);
    }
    if (!reply) {
      ++failed;
    } else if (!grades) {
      ++malformed;
    } else {
      scores[item.id] = *grades;
      out.add({{"id", item.id}, {"scores", scores_to_json(*grades)}, {"reply", *reply}, {"judge", judge_name}});
    }
  }
  JudgeSummary summary = summarise(scores, items);
  summary.malformed = malformed;
  summary.failed = failed;
  return summary;
}

Json judge_summary_to_json(const JudgeSummary& s) {
  Json means;
  for (size_t i = 0; i < kCriteria; ++i) means[std::string(kCriterionNames[i])] = s.means[i];
  return {{"items", s.items},   {"scored", s.scored}, {"malformed", s.malformed},
          {"failed", s.failed}, {"means", means},     {"overall", s.overall()}};
}

}  // namespace galago
