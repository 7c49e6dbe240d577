// The scenes task with a tiny random model: every step runs, the numbers are consistent, the files can be read.
#if __has_include(<ft2build.h>)
#include "eval/scenes.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "data/scene_list.h"
#include "data/scene_set.h"
#include "eval/contact_sheet.h"
#include "eval/judge.h"
#include "eval/text_painter.h"
#include "tests/eval/tiny_model.h"

namespace galago::testing {
namespace {

bool fonts() { return std::filesystem::exists(kEmojiFont) && std::filesystem::exists(kTextFont); }
#define NEED_FONTS() \
  if (!fonts()) GTEST_SKIP() << "fonts-noto-color-emoji or fonts-dejavu-core is not installed"

SceneEvalOptions small() {
  SceneEvalOptions o;
  o.items.count = 4;
  o.items.style = "list";
  o.max_new_tokens = 12;
  o.nearest = 20;
  return o;
}

TEST(Scenes, FirstWordsKeepTheirBlanks) {
  EXPECT_EQ(first_words("two red  apples, a dog.", 3), "two red  apples,");
  EXPECT_EQ(first_words("a b", 7), "a b");
  EXPECT_EQ(first_words("a b", 0), "");
}

TEST(Scenes, NumbersAreConsistent) {
  NEED_FONTS();
  SceneEvaluation e = evaluate_scenes(tiny_checkpoint(), tiny_executor(), small());
  ASSERT_EQ(e.results.size(), 4u);
  int64_t shown = 0, tokens = 0;
  for (const SceneResult& r : e.results) {
    EXPECT_EQ(r.item.reference, list_caption(r.item.scene));
    EXPECT_EQ(r.item.scene.split, Split::Test);
    EXPECT_GT(r.nll.right, 0);
    EXPECT_GE(r.nearest.index, 0);
    EXPECT_TRUE(r.item.image.rgb.empty());
    shown += std::ssize(r.item.scene.objects);
    tokens += r.nll.tokens;
  }
  EXPECT_EQ(e.facts.shown, shown);
  EXPECT_EQ(e.chance.shown, shown);
  EXPECT_EQ(e.nll.tokens, tokens);
  EXPECT_NEAR(e.nll.right_per_token(), std::log(320.0), 0.2);  // random weights know nothing: ln of the vocabulary
  Json json = Json::parse(summary_to_json(e).dump());
  EXPECT_EQ(json["items"], 4);
  EXPECT_EQ(json["facts"]["shown"], shown);
  for (const auto& row : summary_table(e)) EXPECT_EQ(row.size(), 4u);
}

TEST(Scenes, SameSeedSameTexts) {
  NEED_FONTS();
  auto a = evaluate_scenes(tiny_checkpoint(), tiny_executor(), small());
  auto b = evaluate_scenes(tiny_checkpoint(), tiny_executor(), small());
  for (size_t i = 0; i < a.results.size(); ++i) {
    EXPECT_EQ(a.results[i].completion, b.results[i].completion);
    EXPECT_EQ(a.results[i].nll.shuffled, b.results[i].nll.shuffled);
  }
}

TEST(Scenes, BeginningsComeFromTheReference) {
  NEED_FONTS();
  SceneEvalOptions o = small();
  o.items.style = "short";
  o.begin_words = 6;
  auto e = evaluate_scenes(tiny_checkpoint(), tiny_executor(), o);
  for (const SceneResult& r : e.results) {
    EXPECT_EQ(count_words(r.beginning), 6);
    EXPECT_TRUE(r.item.reference.starts_with(r.beginning));
    EXPECT_TRUE(r.text().starts_with(r.beginning));
  }
  o.prompt = "a";
  EXPECT_THROW(evaluate_scenes(tiny_checkpoint(), tiny_executor(), o), Error);
}

TEST(Scenes, FolderEqualsPaintedScenes) {
  NEED_FONTS();
  std::string folder = fmt::format("{}/galago-eval-{}", ::testing::TempDir(), getpid());
  std::filesystem::remove_all(folder);
  SceneSetOptions set;
  set.scenes.size = 64;
  set.counts = {6, 0, 5, 0};
  set.styles = {Style::Short, Style::Long};
  set.threads = 1;
  write_scenes(folder, set);
  for (const char* style : {"short", "long", "list"}) {
    SceneItemOptions painted{.folder = "", .count = 4, .picture_size = 64, .style = style}, stored = painted;
    stored.folder = folder;
    auto a = make_scene_items(painted), b = make_scene_items(stored);
    ASSERT_EQ(b->size(), 4);
    for (int64_t i = 0; i < 4; ++i) {
      EXPECT_EQ(a->item(i).reference, b->item(i).reference);
      EXPECT_EQ(a->item(i).image.rgb, b->item(i).image.rgb);
      EXPECT_EQ(b->item(i).scene.index, i);
    }
    EXPECT_EQ(b->training_texts(100).size(), std::string(style) == "list" ? 12u : 6u);  // list: one of each line
    EXPECT_EQ(a->training_texts(6).size(), 6u);
  }
  SceneItemOptions missing{.folder = folder + "/nowhere"};
  EXPECT_THROW(make_scene_items(missing), Error);
  SceneItemOptions style{.style = "poem"};
  EXPECT_THROW(make_scene_items(style), Error);
  std::filesystem::remove_all(folder);
}

TEST(Scenes, ResultsAreItemsForTheJudge) {
  NEED_FONTS();
  SceneEvalOptions o = small();
  o.items.count = 1;  // nothing to shuffle with: no likelihood, no chance
  auto e = evaluate_scenes(tiny_checkpoint(), tiny_executor(), o);
  EXPECT_EQ(e.nll.tokens, 0);
  Json json = Json::parse(result_to_json(e.results[0]).dump());
  EXPECT_EQ(json["split"], "test");
  EXPECT_TRUE(json["beginning"].is_string());
  EXPECT_TRUE(json["completion"].is_string());
  SceneResult bytes = e.results[0];
  bytes.completion = "\xff\xfe";
  EXPECT_NO_THROW(result_to_json(bytes).dump());
}

TEST(ContactSheet, DrawsTextBesidePictures) {
  NEED_FONTS();
  std::vector<SheetCell> cells(
      5, {make_image(64, 64, {10, 20, 200}), "two red apples, a dog, on the grass.", "ref", true});
  Image blank_text = contact_sheet(std::vector<SheetCell>(5, {cells[0].image, "", "", true}));
  Image sheet = contact_sheet(cells);
  EXPECT_EQ(sheet.width, blank_text.width);
  EXPECT_EQ(sheet.height, blank_text.height);
  EXPECT_NE(sheet.rgb, blank_text.rgb);
}

TEST(TextPainter, WrapsAtBlanksAndCutsLongWords) {
  NEED_FONTS();
  TextPainter painter(13);
  auto lines = painter.wrap("two red apples and a " + std::string(100, 'w') + " dog\nend", 100);
  ASSERT_GT(lines.size(), 5u);
  EXPECT_EQ(lines.back(), "end");
  for (const std::string& line : lines) EXPECT_LE(painter.width(line), 100) << line;
  Image image = make_image(20, 20);
  painter.draw(image, -5, -5, "\xff\xc3 \xe2\x82\xac huge text that leaves the picture", {255, 255, 255});
  EXPECT_THROW(TextPainter(13, "/nowhere.ttf"), Error);
}

}  // namespace
}  // namespace galago::testing
#endif
