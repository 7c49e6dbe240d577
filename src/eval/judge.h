// A language model as judge of completed texts, after NanoVLMs (arXiv 2502.07838, section 4), whose idea follows
// TinyStories (Eldan & Li 2023, arXiv 2305.07759): the judge sees the beginning and the completion, never the picture,
// and grades five criteria from 0 to 10. The paper's wording is not public; the prompt here is ours.
//
// Files, one JSON object a line:
//   items    {"id", "beginning", "completion"}            as `galago eval scenes --begin-words N --out` writes them;
//   without
//                                                         "id" the line number counts
//   prompts  {"id", "beginning", "completion", "prompt"}  for a judge of one's own
//   scores   {"id", "scores": {"grammar": 7, ...}} or {"id", "reply": "what the judge wrote"}
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace galago {

inline constexpr int kCriteria = 5;
inline constexpr std::array<std::string_view, kCriteria> kCriterionNames = {"grammar", "creativity", "consistency",
                                                                            "meaningfulness", "plot"};
using JudgeScores = std::array<int, kCriteria>;  // 0..10 each

struct JudgeItem {
  std::string id, beginning, completion;
};

// Throws NotFound / InvalidInput naming the file and line.
std::vector<JudgeItem> read_judge_items(const std::string& path);

std::string judge_prompt(const JudgeItem& item);
void write_judge_prompts(const std::string& path, const std::vector<JudgeItem>& items);

// The reply of a judge: a JSON object with the five keys, alone or inside other text; otherwise "key: 7" or "key ...
// 7/10" anywhere, in any case. Nothing if one of the five is missing, no whole number, or not within 0..10. Any bytes
// are fine; time is linear in the length.
std::optional<JudgeScores> parse_judge_reply(std::string_view reply);

struct JudgeSummary {
  std::array<double, kCriteria> means{};
  int64_t items = 0, scored = 0;
  int64_t malformed = 0;   // replies without five grades
  int64_t failed = 0;      // no reply from the endpoint
  double overall() const;  // mean of the means
};

// Scores of items as the file has them; the last usable line of an id counts, lines of other ids are passed over.
JudgeSummary read_judge_scores(const std::string& path, const std::vector<JudgeItem>& items);

// Asks for every item that `path` has no scores of yet and appends one line an answer, so a stopped run goes on where
// it was. A malformed reply is asked again `tries` times in all and then left out, to be asked anew by the next run.
// `ask` returns the reply, or nothing if the judge could not be reached for this item. Stops when interrupted().
using AskJudge = std::function<std::optional<std::string>(const std::string& prompt)>;
JudgeSummary run_judge(const std::string& path, const std::vector<JudgeItem>& items, const AskJudge& ask,
                       const std::string& judge_name, int tries = 3,
                       const std::function<void(int64_t done, int64_t total)>& progress = {});

Json judge_summary_to_json(const JudgeSummary& summary);

}  // namespace galago
