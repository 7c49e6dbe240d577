#include "image/slicing.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "image/draw.h"

namespace galago {
namespace {

struct Case {
  int width, height;
  bool to_max_side;
  int resized_width, resized_height, rows, cols, n_images;
};

// Published sizes of huggingface/nanoVLM with tile 512 and longest side 2048 (nanovlm.md B4).
constexpr Case kNanoVlm[] = {
    {640, 480, true, 2048, 1536, 3, 4, 13},    {512, 512, true, 2048, 2048, 4, 4, 17},
    {3000, 400, true, 2048, 512, 1, 4, 5},     {333, 1000, true, 1024, 2048, 4, 2, 9},
    {640, 480, false, 1024, 1024, 2, 2, 5},    {300, 200, false, 512, 512, 1, 1, 1},
    {333, 1000, false, 512, 1024, 2, 1, 3},    {1, 65535, true, 512, 2048, 4, 1, 5},  // ours: the worst aspect
    {5000, 5000, false, 2048, 2048, 4, 4, 17},                                        // ours: capped
};

TEST(SliceNanoVlm, Table) {
  for (const Case& c : kNanoVlm) {
    SCOPED_TRACE(testing::Message() << c.width << "x" << c.height);
    SlicePlan plan =
        plan_nanovlm(c.width, c.height, {.tile = 512, .max_side = 2048, .resize_to_max_side = c.to_max_side});
    EXPECT_EQ(plan.width, c.resized_width);
    EXPECT_EQ(plan.height, c.resized_height);
    EXPECT_EQ(plan.rows, c.rows);
    EXPECT_EQ(plan.cols, c.cols);
    EXPECT_EQ(plan.n_images(), c.n_images);
    EXPECT_EQ(plan.global == SlicePlan::Global::First, c.n_images > 1);
    EXPECT_EQ(plan.filter, Filter::Bicubic);
  }
}

TEST(SliceNanoVlm, RefusesTilesThatDoNotDivideTheSide) {
  EXPECT_THROW(plan_nanovlm(10, 10, {.tile = 500, .max_side = 2048}), Error);
  EXPECT_THROW(plan_nanovlm(10, 10, {.tile = 0, .max_side = 2048}), Error);
}

TEST(SliceSquare, OneTileWhateverTheAspect) {
  SlicePlan plan = plan_square(1000, 10, {.tile = 224, .filter = Filter::Bilinear});
  EXPECT_EQ(plan, (SlicePlan{.width = 224, .height = 224, .filter = Filter::Bilinear}));
  EXPECT_EQ(plan.n_images(), 1);
}

TEST(SlicingPolicies, AreFoundByName) {
  for (const SlicingPolicy& policy : all_slicing_policies()) EXPECT_EQ(&find_slicing_policy(policy.name), &policy);
  EXPECT_THROW(find_slicing_policy("spiral"), Error);
}

// A picture that already has the planned size: tiles are cut without change, rows outer.
TEST(CutTiles, TilesAreThePartsInRowOrder) {
  Image image = make_image(6, 4);
  for (int row = 0; row < 2; ++row)
    for (int col = 0; col < 3; ++col)
      fill_rect(image, {2 * col, 2 * row, 2, 2}, {static_cast<uint8_t>(3 * row + col), 0, 9});
  std::vector<Image> tiles = cut_tiles(image, {.width = 6, .height = 4, .rows = 2, .cols = 3});
  ASSERT_EQ(tiles.size(), 6u);
  for (uint8_t i = 0; i < 6; ++i) EXPECT_EQ(tiles[i].rgb, make_image(2, 2, {i, 0, 9}).rgb) << int(i);
}

TEST(CutTiles, GlobalViewFirstFromTheResizedPictureOrLastFromTheOriginal) {
  Image image = make_image(7, 5, {1, 2, 3});
  fill_rect(image, {2, 1, 3, 2}, {200, 100, 0});
  SlicePlan plan{.width = 8,
                 .height = 8,
                 .rows = 2,
                 .cols = 2,
                 .global = SlicePlan::Global::First,
                 .global_width = 4,
                 .global_height = 4,
                 .global_from_resized = true};
  std::vector<Image> tiles = cut_tiles(image, plan);
  ASSERT_EQ(tiles.size(), 5u);
  Image resized = resize(image, 8, 8, Filter::Bicubic);
  EXPECT_EQ(tiles[0].rgb, resize(resized, 4, 4, Filter::Bilinear).rgb);
  EXPECT_EQ(tiles[4].rgb, crop(resized, {4, 4, 4, 4}).rgb);

  plan.global = SlicePlan::Global::Last;
  plan.global_from_resized = false;
  tiles = cut_tiles(image, plan);
  ASSERT_EQ(tiles.size(), 5u);
  EXPECT_EQ(tiles[0].rgb, crop(resized, {0, 0, 4, 4}).rgb);
  EXPECT_EQ(tiles[4].rgb, resize(image, 4, 4, Filter::Bilinear).rgb);
}

}  // namespace
}  // namespace galago
