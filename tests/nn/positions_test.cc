// Tables and ids of positions: bucket ids of minicpm-v.md section 4.4, which torch's arange and bucketize gave;
// resampling weights against torch 2.15's interpolate(mode="bicubic") of the identity, in float32.
#include "nn/positions.h"

#include <gtest/gtest.h>

#include <cmath>

#include "nn/vit.h"
#include "tests/support/executors.h"

namespace galago::testing {
namespace {

std::vector<int32_t> buckets(int64_t n, int64_t side = 70) {
  std::vector<int32_t> all;
  for (int64_t i = 0; i < n; ++i) all.push_back(static_cast<int32_t>(position_bucket(i, n, side)));
  return all;
}

TEST(Positions, BucketsAreThoseOfTheReference) {
  EXPECT_EQ(buckets(10), (std::vector<int32_t>{0, 7, 14, 21, 28, 35, 42, 49, 56, 63}));
  EXPECT_EQ(buckets(16), (std::vector<int32_t>{0, 4, 8, 13, 17, 21, 26, 30, 35, 39, 43, 48, 52, 56, 61, 65}));
  EXPECT_EQ(buckets(32), (std::vector<int32_t>{0,  2,  4,  6,  8,  10, 13, 15, 17, 19, 21, 24, 26, 28, 30, 32,
                                               35, 37, 39, 41, 43, 45, 48, 50, 52, 54, 56, 59, 61, 63, 65, 67}));
}

// In exact arithmetic the entries 5, 10, 15 and 20 would be 14, 28, 42 and 56; float32 falls short of the boundary.
TEST(Positions, BucketsFallShortWhereFloat32Does) {
  EXPECT_EQ(buckets(25), (std::vector<int32_t>{0,  2,  5,  8,  11, 13, 16, 19, 22, 25, 27, 30, 33,
                                               36, 39, 41, 44, 47, 50, 53, 55, 58, 61, 64, 67}));
  // The sizes up to 140 where float32 and exact arithmetic differ.
  std::vector<int64_t> differ;
  for (int64_t n = 1; n <= 140; ++n)
    for (int64_t i = 0; i < n; ++i)
      if (position_bucket(i, n, 70) != 70 * i / n) {
        differ.push_back(n);
        break;
      }
  EXPECT_EQ(differ, (std::vector<int64_t>{25, 49, 50, 55, 58, 77, 82, 86, 94, 98, 100, 110, 115, 135}));
}

TEST(Positions, MorePatchesThanTheTableHasRepeatRows) {
  std::vector<int32_t> ids = buckets(101);
  EXPECT_EQ(std::vector<int32_t>(ids.begin(), ids.begin() + 6), (std::vector<int32_t>{0, 0, 1, 2, 2, 3}));
  EXPECT_EQ(ids.back(), 69);
}

TEST(Positions, BucketIdsAreRowsOfTheTable) {
  EXPECT_EQ(bucket_position_ids(2, 3, 10), (std::vector<int32_t>{0, 3, 6, 50, 53, 56}));
}

TEST(Positions, AStripUsesTheFirstRowOnly) {
  EXPECT_EQ(strip_position_ids(10, 70), buckets(10));
  std::vector<int32_t> ids = strip_position_ids(1024, 70);
  EXPECT_EQ(ids.front(), 0);
  EXPECT_EQ(ids[512], 35);
  EXPECT_EQ(ids.back(), 69);
}

void expect_weights(const Tensor& got, const std::vector<std::vector<float>>& want) {
  ASSERT_EQ(got.shape(), Shape({std::ssize(want), std::ssize(want[0])}));
  for (size_t row = 0; row < want.size(); ++row)
    for (size_t col = 0; col < want[0].size(); ++col)
      EXPECT_NEAR(got.f32()[row * want[0].size() + col], want[row][col], 1e-6) << row << ", " << col;  // torch: float32
}

TEST(Positions, AntialiasedWeightsAreTorchs) {
  expect_weights(antialiased_weights(5, 3), {{0.5846153f, 0.4461538f, 0, -0.0307692f, 0},
                                             {-0.0372093f, 0.2465116f, 0.5813953f, 0.2465116f, -0.0372093f},
                                             {0, -0.0307691f, 0, 0.4461538f, 0.5846152f}});
  expect_weights(antialiased_weights(3, 7), {{1.0961536f, -0.0961537f, 0},
                                             {0.9058172f, 0.1024931f, -0.0083103f},
                                             {0.4404432f, 0.6260387f, -0.0664819f},
                                             {0, 1, 0},
                                             {-0.0664819f, 0.6260387f, 0.4404432f},
                                             {-0.0083103f, 0.102493f, 0.9058173f},
                                             {0, -0.0961538f, 1.0961537f}});
}

TEST(Positions, BicubicWeightsAreTorchs) {
  expect_weights(
      bicubic_weights(5, 3),
      {{0.6851851f, 0.3703704f, -0.0555553f, 0, 0}, {0, 0, 1, 0, 0}, {0, 0, -0.0555558f, 0.3703706f, 0.685185f}});
  expect_weights(bicubic_weights(3, 7), {{1.1093292f, -0.1093292f, 0},
                                         {0.8790087f, 0.1341108f, -0.013119f},
                                         {0.4198247f, 0.6851312f, -0.1049562f},
                                         {0, 1, 0},
                                         {-0.1049562f, 0.6851312f, 0.4198248f},
                                         {-0.013119f, 0.1341107f, 0.8790085f},
                                         {0, -0.1093295f, 1.1093296f}});
}

struct Sums {
  double squares = 0, cosines = 0;  // sum w^2; sum w[i, j] cos((i + 1)(j + 1))
};

Sums sums(const Tensor& w) {
  Sums s;
  int64_t n = w.shape()[1];
  for (int64_t i = 0; i < w.shape()[0]; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double v = w.f32()[static_cast<size_t>(i * n + j)];
      s.squares += v * v;
      s.cosines += v * std::cos(static_cast<double>((i + 1) * (j + 1)));
    }
  return s;
}

// The sizes that towers meet: 27 rows of SigLIP to more and to fewer, 16 of CLIP to 23.
TEST(Positions, LargerTablesOfWeightsAreTorchs) {
  struct Row {
    int64_t in, out;
    Sums antialiased, bicubic;
  };
  const Row rows[] = {{27, 40, {32.888427, -6.419709}, {34.592386, -6.564565}},
                      {27, 11, {3.707012, -0.919866}, {9.381419, -1.486165}},
                      {16, 23, {19.019269, -1.050683}, {20.017807, -1.150559}}};
  for (const Row& row : rows) {
    Sums antialiased = sums(antialiased_weights(row.in, row.out)), bicubic = sums(bicubic_weights(row.in, row.out));
    constexpr double kSum = 2e-5;  // about 160 terms with 1e-7 each in torch
    EXPECT_NEAR(antialiased.squares, row.antialiased.squares, kSum);
    EXPECT_NEAR(antialiased.cosines, row.antialiased.cosines, kSum);
    EXPECT_NEAR(bicubic.squares, row.bicubic.squares, kSum);
    EXPECT_NEAR(bicubic.cosines, row.bicubic.cosines, kSum);
  }
}

TEST(Positions, TheSameSizeIsTheIdentity) {
  for (const Tensor& w : {antialiased_weights(4, 4), bicubic_weights(4, 4)})
    for (size_t i = 0; i < 16; ++i) EXPECT_EQ(w.f32()[i], i % 5 == 0 ? 1 : 0);
}

// A 3 x 3 table of two channels, sin(1.7 k), to 2 rows and 5 columns.
TEST(Positions, GridIsResampledAsTorchDoes) {
  const std::vector<float> antialiased = {-0.352433f, 0.473536f,  -0.117033f, 0.060611f,  0.207989f,
                                          -0.461514f, 0.03846f,   0.113737f,  -0.111481f, 0.55586f,
                                          0.427024f,  -0.410149f, 0.123559f,  -0.03892f,  -0.286378f,
                                          0.425316f,  -0.015373f, -0.121753f, 0.211734f,  -0.538507f};
  const std::vector<float> bicubic = {-0.24517f,  0.727485f, -0.112551f, 0.042157f,  0.061378f,  -0.624848f, 0.104932f,
                                      0.035414f,  0.103311f, 0.716679f,  0.696464f,  -0.347362f, 0.093368f,  0.056157f,
                                      -0.517782f, 0.414092f, -0.029089f, -0.107564f, 0.500246f,  -0.609697f};
  for (auto& [name, executor] : all_executors())
    for (bool smooth : {true, false}) {
      auto graph = std::make_shared<Graph>();
      Weights none;
      Value grid = graph->input("grid", DType::F32, {9, 2});
      graph->output(resample_grid(Scope(*graph, none), grid, 3, 2, 5, smooth), "out");
      auto program = executor->compile(graph);
      for (int i = 0; i < 18; ++i) program->input("grid").f32()[static_cast<size_t>(i)] = std::sin(1.7f * i);
      program->run();
      Tensor out = program->output("out");
      ASSERT_EQ(out.shape(), Shape({10, 2}));
      for (size_t i = 0; i < 20; ++i)
        EXPECT_NEAR(out.f32()[i], (smooth ? antialiased : bicubic)[i], 2e-6) << name << " " << i;  // six digits printed
    }
}

TEST(Positions, SineTableIsColumnFirst) {
  Tensor table = sincos_positions(2, 3, 8);  // two frequencies: 1 and 1/100
  ASSERT_EQ(table.shape(), Shape({6, 8}));
  const double x = 2, y = 1;
  const double want[] = {std::sin(x), std::sin(x / 100), std::cos(x), std::cos(x / 100),
                         std::sin(y), std::sin(y / 100), std::cos(y), std::cos(y / 100)};
  for (size_t i = 0; i < 8; ++i) EXPECT_FLOAT_EQ(table.f32()[5 * 8 + i], static_cast<float>(want[i])) << i;
  for (size_t i = 0; i < 8; ++i) EXPECT_EQ(table.f32()[i], i / 2 % 2 == 0 ? 0 : 1) << i;  // the corner
}

}  // namespace
}  // namespace galago::testing
