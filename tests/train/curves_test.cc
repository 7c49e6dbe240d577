// Curves: the log is read, numbers are smoothed and thinned, both files are drawn.
#include "train/curves.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "data/text_draw.h"
#include "image/image.h"

namespace galago {
namespace {

namespace fs = std::filesystem;

std::string make_run(const char* name, int steps) {
  std::string folder = testing::TempDir() + "/" + name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  std::ofstream log(folder + "/log.jsonl");
  for (int i = 1; i <= steps; ++i) {
    log << fmt::format("{{\"step\":{},\"loss\":{},\"learning_rate\":0.001}}\n", i, 6 * std::exp(-0.01 * i) + 0.5);
    if (i % 50 == 0) log << fmt::format("{{\"step\":{},\"validation_loss\":{}}}\n", i, 1.0);
  }
  log << "{\"step\":";  // a run was killed here
  write_file(folder + "/recipe.json", R"({"stages":[{"steps":150,"style":"list"},{"steps":150,"style":"short"}]})");
  return folder;
}

TEST(Curves, LogIsRead) {
  TrainingCurves curves = read_curves(make_run("curves-read", 300));
  EXPECT_EQ(curves.loss.step.size(), 300u);
  EXPECT_EQ(curves.learning_rate.value.back(), 0.001);
  EXPECT_EQ(curves.validation_loss.step, (std::vector<double>{50, 100, 150, 200, 250, 300}));
  ASSERT_EQ(curves.stages.size(), 2u);
  EXPECT_EQ(curves.stages[1].begin, 150);
  EXPECT_EQ(curves.stages[1].style, "short");
}

TEST(Curves, SmoothingLooksBothWays) {
  Series raw{{1, 2, 3}, {4, 2, 0}};
  Series s = smoothed(raw, 2);  // weights 1, 1/2, 1/4 back in time, and the same ahead
  EXPECT_DOUBLE_EQ(s.value[0], (4 + (4 + 0.5 * 2 + 0.25 * 0) / 1.75) / 2);
  EXPECT_DOUBLE_EQ(s.value[1], ((2 + 0.5 * 4) / 1.5 + (2 + 0.5 * 0) / 1.5) / 2);
  EXPECT_DOUBLE_EQ(s.value[2], ((0 + 0.5 * 2 + 0.25 * 4) / 1.75 + 0) / 2);
  EXPECT_EQ(smoothed(raw, 1).value, raw.value);
  EXPECT_TRUE(smoothed({}, 3).empty());
}

TEST(Curves, ThinningAveragesNeighbours) {
  Series raw;
  for (int i = 0; i < 10; ++i) raw.step.push_back(i), raw.value.push_back(10 * i);
  Series s = thinned(raw, 5);
  EXPECT_EQ(s.step, (std::vector<double>{0.5, 2.5, 4.5, 6.5, 8.5}));
  EXPECT_EQ(s.value[1], 25);
  EXPECT_EQ(thinned(raw, 10).value, raw.value);
}

TEST(Curves, TicksAreRound) {
  EXPECT_EQ(round_ticks(0, 8500), (std::vector<double>{0, 2000, 4000, 6000, 8000}));
  EXPECT_EQ(round_ticks(0, 1), (std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1}));
  EXPECT_FALSE(std::signbit(round_ticks(-1e-12, 1)[0]));
  EXPECT_EQ(round_ticks(5, 5), (std::vector<double>{5}));
  for (double high : {1e-7, 3e-4, 0.7, 2.0, 33.0, 1e9}) {
    EXPECT_GE(round_ticks(0, high).size(), 3u) << high;
    EXPECT_LE(round_ticks(0, high).size(), 9u) << high;
  }
}

TEST(Curves, SvgAndPng) {
  std::string folder = make_run("curves-draw", 300);
  draw_curves(folder);
  std::string svg = read_file(folder + "/curves.svg");
  for (const char* word : {"<svg", "training, smoothed", "validation", "learning rate", ">step<", ">short<", "</svg>"})
    EXPECT_NE(svg.find(word), std::string::npos) << word;
  if (!fs::exists(kTextFont)) GTEST_SKIP() << "the package fonts-dejavu-core is not installed";
  Image image = load_image(folder + "/curves.png");
  EXPECT_EQ(image.width, 1800);
  EXPECT_EQ(image.height, 1240);
  int blue = 0, orange = 0;
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      const uint8_t* p = image.pixel(x, y);
      blue += p[0] == 31 && p[1] == 95 && p[2] == 178;
      orange += p[0] == 217 && p[1] == 95 && p[2] == 2;
    }
  EXPECT_GT(blue, 2000);
  EXPECT_GT(orange, 2000);
}

TEST(Curves, NothingWithoutALog) {
  std::string folder = testing::TempDir() + "/curves-none";
  fs::remove_all(folder);
  fs::create_directories(folder);
  draw_curves(folder);
  EXPECT_TRUE(fs::is_empty(folder));
}

TEST(TextDrawer, WidthGrowsWithTheWords) {
  if (!fs::exists(kTextFont)) GTEST_SKIP() << "the package fonts-dejavu-core is not installed";
  TextDrawer drawer;
  EXPECT_EQ(drawer.width("", 20), 0);
  EXPECT_GT(drawer.width("loss loss", 20), 2 * drawer.width("loss", 20));
  EXPECT_NEAR(drawer.width("galago", 40), 2 * drawer.width("galago", 20), 3);  // hinting rounds each letter
  Image image = make_image(40, 20, {255, 255, 255});
  drawer.draw(image, -10, 15, "cut \xC3\xA9 off at both sides", 16, {0, 0, 0});
  EXPECT_NE(image.rgb, make_image(40, 20, {255, 255, 255}).rgb);
}

}  // namespace
}  // namespace galago
