// How plans are followed and what is refused; the plans themselves are in slicing_table_test.cc.
#include "image/slicing.h"

#include "base/error.h"
#include "image/draw.h"
#include "image/resize_float.h"
#include "tests/image/image_files.h"

namespace galago {
namespace {

SlicePlan plan_of(std::string_view policy, int width, int height, const SliceOptions& options) {
  return find_slicing_policy(policy).plan(width, height, options);
}

double sum_of(const Tensor& tensor) {
  double sum = 0;
  for (float value : tensor.f32()) sum += value;
  return sum;
}

TEST(SlicingPolicies, AreFoundByName) {
  for (const SlicingPolicy& policy : all_slicing_policies()) EXPECT_EQ(&find_slicing_policy(policy.name), &policy);
  EXPECT_THROW(find_slicing_policy("spiral"), Error);
}

// Every policy on the worst aspects: a plan that can be followed, of a reasonable size.
TEST(SlicingPolicies, ExtremeAspectsStayWithinTheLimits) {
  for (const SlicingPolicy& policy : all_slicing_policies()) {
    for (auto [width, height] : {std::pair{1, 10000}, {10000, 1}, {1, 1}, {65535, 1}, {1, 65535}, {65535, 65535}}) {
      SCOPED_TRACE(fmt::format("{} {}x{}", policy.name, width, height));
      SlicePlan plan = policy.plan(width, height, policy.usual);
      ASSERT_FALSE(plan.views.empty());
      for (const SliceView& view : plan.views) {
        EXPECT_GT(view.width, 0);
        EXPECT_GT(view.height, 0);
        EXPECT_GE(view.left, 0);
        EXPECT_GE(view.top, 0);
        EXPECT_LE(view.left + view.width, view.full_width());
        EXPECT_LE(view.top + view.height, view.full_height());
        EXPECT_EQ(view.tile_width() * view.cols, view.full_width());
        EXPECT_EQ(view.tile_height() * view.rows, view.full_height());
      }
    }
  }
}

TEST(SlicingPolicies, CutAPictureOfOnePixelRow) {
  Image line = make_image(1, 300, {40, 50, 60});
  for (const SlicingPolicy& policy : all_slicing_policies()) {
    SlicePlan plan = policy.plan(line.width, line.height, policy.usual);
    std::vector<Tensor> views = slice_pixels(line, plan, {0, 0, 0}, {1, 1, 1});
    ASSERT_EQ(views.size(), plan.views.size());
    for (size_t i = 0; i < views.size(); ++i) {
      const SliceView& v = plan.views[i];
      EXPECT_EQ(views[i].shape(), Shape({v.n_tiles(), 3, v.tile_height(), v.tile_width()})) << policy.name;
    }
  }
}

TEST(SlicingPolicies, RefuseHostileOptions) {
  auto refuses = [](std::string_view policy, const SliceOptions& options) {
    EXPECT_THROW(plan_of(policy, 640, 480, options), Error) << policy;
  };
  for (const SlicingPolicy& policy : all_slicing_policies()) {
    refuses(policy.name, {.tile = 0});
    refuses(policy.name, {.tile = 1 << 30});
    refuses(policy.name, {.min_tiles = 0});
    refuses(policy.name, {.min_tiles = 5, .max_tiles = 4});
    refuses(policy.name, {.max_tiles = 2000000000});
    refuses(policy.name, {.adaptive_min_tiles = 9, .adaptive_max_tiles = 1});
    refuses(policy.name, {.grids = {{1 << 20, 1 << 20}}});
    refuses(policy.name, {.grids = {{0, 1}}});
  }
  refuses("nanovlm", {.tile = 500, .max_side = 2048});
  refuses("nanovlm", {.tile = 1, .max_side = 1 << 16});
  refuses("nanovlm", {.tile = 512, .max_side = 0x7ffffe00});
  refuses("minicpmv", {.patch = 0});
  refuses("minicpmv", {.patch = 600});
  refuses("square", {.tile = 8193});
  refuses("xcomposer", {.tile = 8000, .max_tiles = 900});  // 3.6 gigapixels
  refuses("bluelm", {.alpha = -1});
  refuses("bluelm", {.alpha = std::numeric_limits<double>::quiet_NaN()});
  refuses("bluelm", {.max_grid_side = 100000});
  refuses("llavanext", {.max_grid_side = 0});
}

// Ours: with strict, a smaller canvas never shows less than 1 - alpha of what the best one shows.
TEST(SliceBlueLm, StrictDoesNotAddUpLosses) {
  SlicePlan published = plan_of("bluelm", 401, 421, {.tile = 384, .max_grid_side = 3});
  SlicePlan strict = plan_of("bluelm", 401, 421, {.tile = 384, .max_grid_side = 3, .strict = true});
  EXPECT_EQ(published.views[1].n_tiles(), 1);
  EXPECT_EQ(strict.views[1].n_tiles(), 2);  // 1 x 2 shows 384 x 403, 92 % of the picture; 1 x 1 shows 83 %
}

// A picture that already has the planned size: tiles are cut without change, rows outer.
TEST(CutTiles, TilesAreThePartsInRowOrder) {
  Image image = make_image(6, 4);
  for (int row = 0; row < 2; ++row)
    for (int col = 0; col < 3; ++col)
      fill_rect(image, {2 * col, 2 * row, 2, 2}, {static_cast<uint8_t>(3 * row + col), 0, 9});
  SlicePlan plan{{{.width = 6, .height = 4, .rows = 2, .cols = 3}}};
  std::vector<std::vector<Image>> tiles = cut_tiles(image, plan);
  ASSERT_EQ(tiles.size(), 1u);
  ASSERT_EQ(tiles[0].size(), 6u);
  Tensor pixels = slice_pixels(image, plan, {0, 0, 0}, {1, 1, 1})[0];
  EXPECT_EQ(pixels.shape(), Shape({6, 3, 2, 2}));
  for (uint8_t i = 0; i < 6; ++i) {
    Image expected = make_image(2, 2, {i, 0, 9});
    EXPECT_EQ(tiles[0][i].rgb, expected.rgb) << int(i);
    EXPECT_EQ(pixels.f32()[12 * i], i / 255.0f);
    EXPECT_EQ(pixels.f32()[12 * i + 11], 9 / 255.0f);
  }
}

TEST(CutTiles, BytesSurviveTheWayThroughFloats) {
  Image all = make_image(256, 1);
  for (int x = 0; x < 256; ++x) std::fill_n(all.pixel(x, 0), 3, static_cast<uint8_t>(x));
  EXPECT_EQ(make_canvases(all, {{{.width = 256, .height = 1}}})[0].rgb, all.rgb);
}

TEST(CutTiles, EveryViewComesFromItsSource) {
  Image image = make_formula_image(70, 50);
  SliceView grid{.width = 60,
                 .height = 40,
                 .left = 2,
                 .top = 4,
                 .canvas_width = 64,
                 .canvas_height = 48,
                 .color = {9, 8, 7},
                 .rows = 2,
                 .cols = 2};
  SliceView original{.width = 16, .height = 16, .filter = Filter::Bilinear};
  SliceView from_canvas{
      .width = 16, .height = 16, .filter = Filter::Bilinear, .resize = SliceView::Resize::FloatAntialiased, .from = 2};
  std::vector<Image> canvases = make_canvases(image, {{original, from_canvas, grid}});
  Image expected = make_image(64, 48, {9, 8, 7});
  paste(expected, resize(image, 60, 40, Filter::Bicubic), 2, 4);
  EXPECT_EQ(canvases[2].rgb, expected.rgb);
  EXPECT_EQ(canvases[0].rgb, resize(image, 16, 16, Filter::Bilinear).rgb);
  Image rounded_twice = resize(expected, 16, 16, Filter::Bilinear);
  for (size_t i = 0; i < rounded_twice.rgb.size(); ++i)  // the 8-bit resize rounds once more in between
    EXPECT_NEAR(canvases[1].rgb[i], rounded_twice.rgb[i], 1) << i;
}

// Mini-Monkey's tiles of a 700 x 600 picture, reference code and Pillow 9.4.
TEST(SliceMiniMonkey, TilesEqualTheReference) {
  Image image = make_formula_image(700, 600);
  const SlicingPolicy& policy = find_slicing_policy("minimonkey");
  SlicePlan plan = policy.plan(700, 600, policy.usual);
  std::vector<std::vector<Image>> tiles = cut_tiles(image, plan);
  ASSERT_EQ(tiles.size(), 3u);
  EXPECT_EQ(crc_of(tiles[0][0]), 0x974bedfau);
  EXPECT_EQ(crc_of(tiles[0][11]), 0xbf5d7219u);
  EXPECT_EQ(crc_of(tiles[1][0]), 0xf419e136u);
  EXPECT_EQ(crc_of(tiles[1][3]), 0x77e0e58bu);
  EXPECT_EQ(crc_of(tiles[2][0]), 0x90aa44beu);

  Tensor first = slice_pixels(image, plan, {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f})[0].rows(0, 1);
  EXPECT_NEAR(first.f32()[0], -2.117904, 1e-5);
  EXPECT_NEAR(first.f32()[448 * 448], -0.810224, 1e-5);
  EXPECT_NEAR(first.f32()[2 * 448 * 448], 0.635643, 1e-5);
  EXPECT_NEAR(sum_of(first), 137543.0948, 0.1);  // 602112 values, each right to 1e-7 of about 1
}

struct HdCase {
  int width, height, hd, new_width, new_height;
  uint32_t crc;
  int64_t sum;
};

// HD_transform of InternLM-XComposer2-4KHD on formula pictures, reference code and Pillow 9.4.
TEST(SliceXComposer, CanvasEqualsTheReference) {
  for (const HdCase& c : {HdCase{1000, 333, 9, 1344, 672, 0xa28768cf, 461223144},
                          {333, 1000, 9, 672, 1344, 0x8921482b, 461212470},
                          {700, 600, 16, 1344, 1344, 0x89a3ed96, 789724092},
                          {640, 480, 25, 1680, 1344, 0x394d8d7f, 917958732}}) {
    SCOPED_TRACE(fmt::format("{}x{}", c.width, c.height));
    SlicePlan plan =
        plan_of("xcomposer", c.width, c.height, {.tile = 336, .filter = Filter::Bilinear, .max_tiles = c.hd});
    Image canvas = make_canvases(make_formula_image(c.width, c.height), plan)[1];
    EXPECT_EQ(canvas.width, c.new_width);
    EXPECT_EQ(canvas.height, c.new_height);
    EXPECT_EQ(crc_of(canvas), c.crc);
    int64_t sum = 0;
    for (uint8_t byte : canvas.rgb) sum += byte;
    EXPECT_EQ(sum, c.sum);
  }
}

TEST(SliceXComposer, GlobalViewIsMadeOfNormalisedFloats) {
  SlicePlan plan = plan_of("xcomposer", 333, 1000, {.tile = 336, .filter = Filter::Bilinear, .max_tiles = 9});
  std::vector<Tensor> views = slice_pixels(make_formula_image(333, 1000), plan, {0.48145466f, 0.4578275f, 0.40821073f},
                                           {0.26862954f, 0.26130258f, 0.27577711f});
  ASSERT_EQ(views.size(), 2u);
  EXPECT_EQ(views[1].shape(), Shape({8, 3, 336, 336}));
  EXPECT_NEAR(views[1].f32()[0], 1.930336, 1e-6);  // white, normalised
  EXPECT_NEAR(views[1].f32()[336 * 336], 2.074884, 1e-6);
  EXPECT_NEAR(views[1].f32()[2 * 336 * 336], 2.145897, 1e-6);
  EXPECT_NEAR(sum_of(views[1]), 2199686.1016, 1);  // 2.7 million values, each right to 3e-7
  EXPECT_NEAR(sum_of(views[0]), 274964.7078, 0.1);
  const float expected[] = {0.638903f, 1.134964f, -0.860231f};
  float largest = 0;
  for (int c = 0; c < 3; ++c) EXPECT_NEAR(views[0].f32()[(c * 336 + 100) * 336 + 168], expected[c], 3e-6) << c;
  for (float value : views[0].f32()) largest = std::max(largest, std::abs(value));
  EXPECT_NEAR(largest, 2.502426, 3e-6);  // overshoots white
}

}  // namespace
}  // namespace galago
