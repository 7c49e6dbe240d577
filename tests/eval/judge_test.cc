// Judge replies as models write them, good and bad; files of items, prompts and scores; a run that is stopped and goes
// on.
#include "eval/judge.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/file.h"

namespace galago {
namespace {

const std::string kGood = R"({"grammar": 7, "creativity": 5, "consistency": 8, "meaningfulness": 6, "plot": 4})";
constexpr JudgeScores kGoodScores = {7, 5, 8, 6, 4};

std::string temporary(const std::string& name) {
  std::string path = fmt::format("{}/galago-judge-{}-{}", ::testing::TempDir(), getpid(), name);
  std::filesystem::remove(path);
  return path;
}

TEST(JudgeReply, ReadsWhatJudgesWrite) {
  const std::string replies[] = {
      kGood,
      "Here you are:\n```json\n" + kGood + "\n```\nHave a nice day!",
      R"({"plot": 4.0, "grammar": 7, "creativity": 5, "consistency": 8, "meaningfulness": 6, "note": "ok"})",
      "Grammar: 7/10\nCreativity: 5/10\nConsistency: 8/10\nMeaningfulness: 6/10\nPlot: 4/10",
      "**Grammar** - 7, **Creativity** - 5, **consistency** = 8, meaningfulness (6), plot is 4.",
      "The grammar is fine. grammar: 7 creativity: 5 consistency: 8 meaningfulness: 6 plot: 4",
      R"({"grammar": "7", "creativity": "5", "consistency": "8", "meaningfulness": "6", "plot": "4"})",
      R"({'grammar': 7, 'creativity': 5, 'consistency': 8, 'meaningfulness': 6, 'plot': 4,})"};
  for (const std::string& reply : replies) {
    auto scores = parse_judge_reply(reply);
    ASSERT_TRUE(scores) << reply;
    EXPECT_EQ(*scores, kGoodScores) << reply;
  }
  EXPECT_EQ(parse_judge_reply("grammar 10 creativity 0 consistency 10 meaningfulness 0 plot 10"),
            (JudgeScores{10, 0, 10, 0, 10}));
}

TEST(JudgeReply, RefusesWhatIsNoGrade) {
  const std::string replies[] = {
      "",
      "I cannot judge this.",
      R"({"grammar": 7, "creativity": 5, "consistency": 8, "meaningfulness": 6})",
      R"({"grammar": 11, "creativity": 5, "consistency": 8, "meaningfulness": 6, "plot": 4})",
      R"({"grammar": 7.5, "creativity": 5, "consistency": 8, "meaningfulness": 6, "plot": 4})",
      R"({"grammar": -3, "creativity": 5, "consistency": 8, "meaningfulness": 6, "plot": 4})",
      "grammar: 700 creativity: 5 consistency: 8 meaningfulness: 6 plot: 4",
      "grammar\n7 creativity: 5 consistency: 8 meaningfulness: 6 plot: 4",
      std::string(100'000, '{') + kGood,
      std::string("\xff\x00 grammar", 10)};
  for (const std::string& reply : replies) EXPECT_FALSE(parse_judge_reply(reply)) << reply.substr(0, 80);
}

TEST(JudgeFiles, ItemsPromptsAndScores) {
  std::string items_path = temporary("items"), prompts = temporary("prompts"), scores = temporary("scores");
  write_file(items_path,
             "{\"id\": \"a\", \"beginning\": \"A dog\", \"completion\": \" runs.\"}\n\n"
             "{\"beginning\": \"Two cats\", \"completion\": \" sleep.\"}\n");
  auto items = read_judge_items(items_path);
  ASSERT_EQ(items.size(), 2u);
  EXPECT_EQ(items[1].id, "3");  // the line number
  write_judge_prompts(prompts, items);
  std::string first = read_file(prompts).substr(0, read_file(prompts).find('\n'));
  EXPECT_EQ(Json::parse(first)["prompt"], judge_prompt(items[0]));
  for (std::string_view name : kCriterionNames) EXPECT_NE(judge_prompt(items[0]).find(name), std::string::npos);

  write_file(scores, "{\"id\": \"a\", \"reply\": \"no\"}\n{\"id\": \"a\", \"scores\": " + kGood +
                         "}\n{\"id\": 3, \"reply\": \"what?\"}\n{\"id\": \"other\", \"scores\": " + kGood + "}\n");
  JudgeSummary s = read_judge_scores(scores, items);
  EXPECT_EQ(s.items, 2);
  EXPECT_EQ(s.scored, 1);
  EXPECT_EQ(s.malformed, 1);
  EXPECT_DOUBLE_EQ(s.means[0], 7);
  EXPECT_DOUBLE_EQ(s.overall(), 6);
}

TEST(JudgeFiles, BadLinesNameThePlace) {
  std::string path = temporary("bad");
  for (const char* text :
       {"{\"beginning\": \"a\"}\n", "[1]\n", "{\n", "",
        "{\"id\":1,\"beginning\":\"a\",\"completion\":\"b\"}\n{\"id\":1,\"beginning\":\"a\",\"completion\":\"b\"}"}) {
    write_file(path, text);
    try {
      read_judge_items(path);
      FAIL() << text;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(path), std::string::npos) << e.what();
    }
  }
}

TEST(RunJudge, AsksAgainSkipsAndResumes) {
  std::string path = temporary("run");
  std::vector<JudgeItem> items = {{"a", "x", "y"}, {"b", "x", "z"}, {"c", "x", "w"}};
  int asked = 0;
  auto summary = run_judge(
      path, items,
      [&](const std::string&) -> std::optional<std::string> {
        ++asked;
        if (asked == 1) return "hm";          // a: malformed, asked again
        if (asked == 2) return kGood;         // a
        if (asked == 3) return std::nullopt;  // b: nobody there
        return "nonsense";                    // c: three times
      },
      "stand-in");
  EXPECT_EQ(asked, 6);
  EXPECT_EQ(summary.scored, 1);
  EXPECT_EQ(summary.failed, 1);
  EXPECT_EQ(summary.malformed, 1);

  asked = 0;
  summary = run_judge(
      path, items, [&](const std::string&) { return ++asked, std::optional(kGood); }, "stand-in");
  EXPECT_EQ(asked, 2);  // b and c only
  EXPECT_EQ(summary.scored, 3);
  EXPECT_EQ(read_judge_scores(path, items).scored, 3);
}

}  // namespace
}  // namespace galago
