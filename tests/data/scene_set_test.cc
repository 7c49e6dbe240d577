// Pictures and folders: the same bytes on the fly and on disk, unfinished sets go on, other options are refused.
#include "data/scene_set.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace galago {
namespace {

namespace fs = std::filesystem;

class SceneSet : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kEmojiFont)) GTEST_SKIP() << "the package fonts-noto-color-emoji is not installed";
    dir_ = fs::path(testing::TempDir()) /
           ("scenes-" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(dir_);
    options_.counts = {20, 4, 5, 3};
    options_.styles = {Style::Short, Style::Long};
    options_.threads = 2;
    options_.scenes.seed = 21;
  }
  void TearDown() override { fs::remove_all(dir_); }
  std::vector<Json> lines(const char* name) const {
    std::ifstream in(dir_ / name);
    std::vector<Json> all;
    for (std::string line; std::getline(in, line);) all.push_back(Json::parse(line));
    return all;
  }
  fs::path dir_;
  SceneSetOptions options_;
};

TEST_F(SceneSet, FolderHoldsWhatTheSourceGives) {
  SceneSetReport report = write_scenes(dir_.string(), options_);
  EXPECT_EQ(report.pictures, 32);
  EXPECT_EQ(report.texts, 64);
  EXPECT_EQ(report.outside_length, 0);
  EXPECT_TRUE(read_json((dir_ / "scenes.json").string())["complete"].get<bool>());
  SceneSource source(options_.scenes);
  auto test = lines("test.jsonl");
  ASSERT_EQ(test.size(), 10u);
  for (int64_t i = 0; i < 5; ++i) {
    const Json& line = test[static_cast<size_t>(i) * 2];
    Sample sample = source.sample(Split::Test, i);
    EXPECT_EQ(line["text"], sample.text);
    EXPECT_EQ(line["style"], "short");
    EXPECT_EQ(test[static_cast<size_t>(i) * 2 + 1]["style"], "long");
    EXPECT_EQ(line["scene"], scene_to_json(sample.scene));
    EXPECT_EQ(load_image((dir_ / line["image"].get<std::string>()).string()).rgb, sample.image.rgb);
    EXPECT_EQ(sample.image.width, 128);
  }
}

TEST_F(SceneSet, GoesOnAfterBeingStopped) {
  options_.counts = {2100, 0, 0, 10};
  options_.scenes.size = 64;
  auto stop = [](int64_t, int64_t) { throw cancelled("stopped"); };
  EXPECT_THROW(write_scenes(dir_.string(), options_, stop), Error);
  EXPECT_FALSE(fs::exists(dir_ / "train.jsonl"));
  EXPECT_FALSE(read_json((dir_ / "scenes.json").string())["complete"].get<bool>());
  SceneSetReport report = write_scenes(dir_.string(), options_);
  EXPECT_EQ(report.already_there, 2048);
  EXPECT_EQ(lines("train.jsonl").size(), 4200u);
  for (const auto& entry : fs::recursive_directory_iterator(dir_)) {
    EXPECT_TRUE(entry.is_directory() || entry.path().extension() != ".part") << entry.path();
  }
}

TEST_F(SceneSet, RefusesAFolderWithOtherOptions) {
  write_scenes(dir_.string(), options_);
  options_.scenes.seed = 22;
  EXPECT_THROW(write_scenes(dir_.string(), options_), Error);
  options_.scenes.size = 5;
  EXPECT_THROW(write_scenes((dir_ / "new").string(), options_), Error);
  options_.counts[0] = -1;
  EXPECT_THROW(write_scenes((dir_ / "new").string(), options_), Error);
}

TEST_F(SceneSet, ThreadsShareASource) {
  SceneSource source({.seed = 4});
  std::vector<Image> alone, shared(16);
  for (int64_t i = 0; i < 16; ++i) alone.push_back(source.sample(Split::Train, i).image);
  SceneSource fresh({.seed = 4});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int64_t i = 0; i < 16; ++i) {
        Image image = fresh.sample(Split::Train, i).image;
        if (i % 4 == t) shared[static_cast<size_t>(i)] = std::move(image);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < 16; ++i) EXPECT_EQ(alone[i].rgb, shared[i].rgb);
}

TEST_F(SceneSet, ThingsChangeThePictureWhereTheGraphPutsThem) {
  GlyphBook book;
  for (int64_t i = 0; i < 200; ++i) {
    Scene scene = make_scene(8, Split::Train, i);
    scene.finish = {1, 0, 0, 0, 95};
    Image ground = paint_ground(scene, 128), picture = render_lossless(scene, 128, book);
    for (const SceneObject& object : scene.objects) {
      for (const Copy& c : object.copies) {
        int changed = 0, all = 0;
        for (int y = static_cast<int>(c.y * 128); y < static_cast<int>(c.foot() * 128); ++y) {
          for (int x = static_cast<int>(c.x * 128); x < static_cast<int>((c.x + c.side) * 128); ++x, ++all) {
            int difference = 0;
            for (int k = 0; k < 3; ++k) difference += std::abs(ground.pixel(x, y)[k] - picture.pixel(x, y)[k]);
            changed += difference > 24;
          }
        }
        EXPECT_GT(changed, all / 12) << scene_kinds()[static_cast<size_t>(object.kind)].singular << " in scene " << i;
      }
    }
  }
}

// A golden picture: the bytes before JPEG, so that another JPEG library may not change it.
TEST_F(SceneSet, PixelsOfASeedStayTheSame) {
  GlyphBook book;
  uint64_t hash = 0xcbf29ce484222325ull;
  for (int64_t i = 0; i < 20; ++i) {
    for (uint8_t byte : render_lossless(make_scene(1, Split::Train, i), 128, book).rgb)
      hash = (hash ^ byte) * 0x100000001b3ull;
  }
  EXPECT_EQ(hash, 10760838490009246384u)
      << "made by this test with seed 1, scenes 0-19 at 128 pixels; change it only with the generator";
}

}  // namespace
}  // namespace galago
