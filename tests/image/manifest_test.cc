// Every picture of the shared set: format, size, orientation, means, pixels, CRC, or the error that it must give.
#include <algorithm>
#include <cmath>
#include <iostream>

#include "base/error.h"
#include "tests/image/image_files.h"

namespace galago {
namespace {

void expect_mean(const Image& image, const Json& mean, double tolerance) {
  double sum[3] = {0, 0, 0};
  for (size_t i = 0; i < image.rgb.size(); ++i) sum[i % 3] += image.rgb[i];
  for (int c = 0; c < 3; ++c)
    EXPECT_NEAR(sum[c] / (static_cast<double>(image.width) * image.height), mean[c].get<double>(), tolerance + 0.006);
}

void expect_pixel(const Image& image, int x, int y, const Json& expected, int tolerance) {
  for (int c = 0; c < 3; ++c)
    EXPECT_LE(std::abs(image.pixel(x, y)[c] - expected[c].get<int>()), tolerance) << x << "," << y << " channel " << c;
}

void expect_pixels(const Image& image, const Json& pixels, int tolerance) {
  expect_pixel(image, 0, 0, pixels["top_left"], tolerance);
  expect_pixel(image, image.width / 2, image.height / 2, pixels["centre"], tolerance);
  expect_pixel(image, image.width - 1, image.height - 1, pixels["bottom_right"], tolerance);
}

void expect_facts(const Image& image, const Json& row) {
  EXPECT_EQ(image.facts.format, row["format"]);
  EXPECT_EQ(image.width, row["width"]);
  EXPECT_EQ(image.height, row["height"]);
  EXPECT_EQ(image.facts.stored_width, row["width"]);
  EXPECT_EQ(image.facts.stored_height, row["height"]);
  EXPECT_EQ(image.facts.orientation, row["orientation"]);
}

void expect_upright(Image image, const Json& row) {
  Image turned = upright(std::move(image));
  EXPECT_EQ(turned.width, row["upright_width"]);
  EXPECT_EQ(turned.height, row["upright_height"]);
  EXPECT_EQ(turned.facts.orientation, 1);
}

void expect_content(const Image& image, const Json& row) {
  expect_mean(image, row["mean_rgb"], row["tolerance"]);
  expect_pixels(image, row["pixels_rgb"], row["tolerance"]);
  if (row.contains("rgb_crc32")) {
    EXPECT_EQ(crc_of(image), expected_crc(row));
  }
}

void expect_good(const Json& row) {
  Image image = load_image(kImageDir + row["file"].get<std::string>());
  expect_facts(image, row);
  ASSERT_EQ(image.rgb.size(), 3ull * row["width"].get<size_t>() * row["height"].get<size_t>());
  expect_content(image, row);
  expect_upright(std::move(image), row);
}

void expect_error(const Json& row) {
  std::string path = kImageDir + row["file"].get<std::string>();
  try {
    load_image(path);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_TRUE(std::string_view(error.what()).starts_with(path + ": ")) << error.what();
    EXPECT_GT(std::string(error.what()).size(), path.size() + 30) << error.what();
  }
}

bool huge(const Json& row) { return row.value("width", 0) * row.value("height", 0) > 20'000'000; }

int check_rows(const std::vector<Json>& rows, bool want_huge) {
  int n_passed = 0;
  for (const Json& row : rows) {
    if (huge(row) != want_huge) continue;
    SCOPED_TRACE(row["file"].get<std::string>());
    int failures_before = testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
    row["expect"] == "ok" ? expect_good(row) : expect_error(row);
    int failures = testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
    n_passed += failures == failures_before;
  }
  return n_passed;
}

TEST(Manifest, EveryPicture) {
  std::vector<Json> rows = read_rows(kImageDir + "manifest.jsonl");
  SKIP_WITHOUT(rows);
  int n_passed = check_rows(rows, false);
  std::cout << n_passed << " of " << rows.size() << " rows passed (the huge one is a slow test)\n";
  EXPECT_EQ(n_passed, 50);
}

TEST(SlowManifest, HugePictures) {
  std::vector<Json> rows = read_rows(kImageDir + "manifest.jsonl");
  SKIP_WITHOUT(rows);
  EXPECT_EQ(check_rows(rows, true), 1);
}

// exif_quad_N.jpg: red, green / blue, white when upright.
TEST(Upright, ColouredQuarters) {
  std::vector<Json> rows = read_rows(kImageDir + "manifest.jsonl");
  SKIP_WITHOUT(rows);
  for (const char* turn : {"1", "3", "5", "6", "8"}) {
    SCOPED_TRACE(turn);
    Image image = upright(load_image(kImageDir + "exif_quad_" + turn + ".jpg"));
    ASSERT_EQ(image.width, 96);
    ASSERT_EQ(image.height, 64);
    expect_pixel(image, 8, 8, {220, 30, 30}, 12);
    expect_pixel(image, 88, 8, {30, 200, 30}, 12);
    expect_pixel(image, 8, 56, {30, 30, 220}, 12);
    expect_pixel(image, 88, 56, {240, 240, 240}, 12);
  }
}

// All eight turns of a 3 x 2 picture whose pixels are numbered; the expected order is written out from the EXIF
// standard's table (where row 0 and column 0 of the stored picture lie).
TEST(Upright, AllEightTurns) {
  struct Case {
    int orientation, width;
    std::vector<int> pixels;
  };
  const Case cases[] = {
      {1, 3, {0, 1, 2, 3, 4, 5}}, {2, 3, {2, 1, 0, 5, 4, 3}}, {3, 3, {5, 4, 3, 2, 1, 0}}, {4, 3, {3, 4, 5, 0, 1, 2}},
      {5, 2, {0, 3, 1, 4, 2, 5}}, {6, 2, {3, 0, 4, 1, 5, 2}}, {7, 2, {5, 2, 4, 1, 3, 0}}, {8, 2, {2, 5, 1, 4, 0, 3}},
  };
  for (const Case& c : cases) {
    Image image = make_image(3, 2);
    for (int i = 0; i < 6; ++i) image.rgb[3 * i] = static_cast<uint8_t>(i);
    image.facts.orientation = c.orientation;
    Image turned = upright(image);
    ASSERT_EQ(turned.width, c.width);
    for (int i = 0; i < 6; ++i) EXPECT_EQ(turned.rgb[3 * i], c.pixels[i]) << "orientation " << c.orientation;
  }
}

}  // namespace
}  // namespace galago
