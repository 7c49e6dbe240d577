// Prompts out, answers in, and the offline template.
#include "data/teacher.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "data/scene_facts.h"

namespace galago {
namespace {

class Teacher : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "teacher-" + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(dir_);
    write_file(
        file("captions.jsonl"),
        R"({"image": "1.jpg", "captions": ["A man riding a wave on top of a surfboard.", "A surfer in a black suit rides a small wave", " A person  on a surfboard in the ocean.", "A man is surfing on a wave near the shore.", "The \"surfer\" keeps his balance on the water."]})"
        "\n\n"
        R"({"image": "2.jpg", "captions": ["Two dogs asleep on a red sofa."]})"
        "\n");
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::string file(const char* name) const { return dir_ + "/" + name; }
  std::vector<Json> lines(const char* name) const {
    std::ifstream in(file(name));
    std::vector<Json> all;
    for (std::string line; std::getline(in, line);) all.push_back(Json::parse(line));
    return all;
  }
  std::string dir_;
};

TEST_F(Teacher, PromptsCarryEveryCaptionAndTheLength) {
  EXPECT_EQ(build_teacher_prompts(file("captions.jsonl"), file("prompts.jsonl"), Style::Long), 2);
  auto prompts = lines("prompts.jsonl");
  ASSERT_EQ(prompts.size(), 2u);
  EXPECT_EQ(prompts[0]["id"], "1.jpg#long");
  std::string prompt = prompts[0]["prompt"];
  EXPECT_NE(prompt.find("60 to 70 words in 5 to 6 sentences"), std::string::npos);
  EXPECT_NE(prompt.find("- A person on a surfboard in the ocean\n"), std::string::npos);
  EXPECT_EQ(prompts[1]["captions"].size(), 1u);
  EXPECT_NE(teacher_prompt({"x", {"a cat"}}, Style::Short).find("20 to 25 words"), std::string::npos);
}

TEST_F(Teacher, AnswersAreJoinedCountedAndNeverDroppedForLength) {
  write_file(
      file("answers.jsonl"),
      R"({"id": "2.jpg#short", "text": "Two dogs."})"
      "\n"
      R"({"id": "9.jpg#short", "text": "Nobody asked."})"
      "\n"
      R"({"id": "1.jpg#short", "text": "first try"})"
      "\n"
      R"({"id": "1.jpg#short", "text": "A man stands on a board and rides a small wave while the sea tickles his feet and the water sings."})"
      "\n");
  TeacherReport report =
      join_teacher_answers(file("captions.jsonl"), file("answers.jsonl"), file("out.jsonl"), Style::Short);
  EXPECT_EQ(report.pictures, 2);
  EXPECT_EQ(report.texts, 2);
  EXPECT_EQ(report.outside_length, 1);
  EXPECT_EQ(report.unknown, 1);
  EXPECT_EQ(report.missing, 0);
  EXPECT_EQ(report.outside_share(), 0.5);
  EXPECT_NE(report.summary().find("50.0 %"), std::string::npos);
  auto out = lines("out.jsonl");
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[1]["text"], "Two dogs.");
  EXPECT_EQ(out[1]["style"], "short");
  EXPECT_EQ(join_teacher_answers(file("captions.jsonl"), file("answers.jsonl"), file("out.jsonl"), Style::Long).missing,
            2);
}

TEST_F(Teacher, TemplateKeepsTheRuleWhereTheCaptionsAllowIt) {
  auto pictures = read_captions(file("captions.jsonl"));
  for (Style style : {Style::Short, Style::Long}) {
    std::string text = template_description(pictures[0], style);
    EXPECT_TRUE(keeps_rule(text, style)) << text;
    EXPECT_EQ(text, template_description(pictures[0], style));
  }
  EXPECT_TRUE(keeps_rule(template_description(pictures[1], Style::Short), Style::Short));
  TeacherReport report = build_template_set(file("captions.jsonl"), file("out.jsonl"), Style::Short);
  EXPECT_EQ(report.texts, 2);
  EXPECT_EQ(report.outside_length, 0);
  EXPECT_EQ(template_description({"x", {" ", "..."}}, Style::Short), "");
}

TEST_F(Teacher, BrokenLinesAreNamed) {
  auto fails_at = [&](const std::string& text, const char* place) {
    write_file(file("bad.jsonl"), text);
    try {
      read_captions(file("bad.jsonl"));
    } catch (const Error& e) {
      return std::string(e.what()).find(place) != std::string::npos;
    }
    return false;
  };
  EXPECT_TRUE(fails_at("{\"image\": \"a\", \"captions\": [\"x\"]}\n{oops", "bad.jsonl:2"));
  EXPECT_TRUE(fails_at("[]", "bad.jsonl:1"));
  EXPECT_TRUE(fails_at("{\"image\": 3, \"captions\": [\"x\"]}", "image"));
  EXPECT_TRUE(fails_at("{\"image\": \"a\", \"captions\": []}", "captions"));
  EXPECT_TRUE(fails_at("{\"image\": \"a\", \"captions\": [1]}", "captions"));
  EXPECT_TRUE(
      fails_at("{\"image\": \"a\", \"captions\": [\"x\"]}\n{\"image\": \"a\", \"captions\": [\"y\"]}", "twice"));
  EXPECT_THROW(read_captions(file("nothing.jsonl")), Error);
}

}  // namespace
}  // namespace galago
