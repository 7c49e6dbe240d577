// Byte-for-byte equality with Pillow 9.4: CRCs of the shared set, and sums of a small numbered picture.
#include "image/resize.h"

#include <numeric>

#include "base/rng.h"
#include "base/thread_pool.h"
#include "image/resample_kernels.h"
#include "tests/image/image_files.h"

namespace galago {
namespace {

Image resize_row(const Json& row, ThreadPool* pool) {
  Image source = load_image(kImageDir + row["source"].get<std::string>());
  Filter filter = find_filter(row["filter"].get<std::string>()).value();
  return resize(source, row["width"], row["height"], filter, pool);
}

TEST(Resize, EqualsPillowOnTheSharedSet) {
  std::vector<Json> rows = read_rows(kImageDir + "resize/manifest.jsonl");
  SKIP_WITHOUT(rows);
  for (const Json& row : rows) {
    SCOPED_TRACE(row["file"].get<std::string>());
    EXPECT_EQ(crc_of(resize_row(row, nullptr)), expected_crc(row));
    Image expected = load_image(kImageDir + "resize/" + row["file"].get<std::string>());
    EXPECT_EQ(crc_of(expected), expected_crc(row));
  }
}

TEST(Resize, ThreadsChangeNothing) {
  std::vector<Json> rows = read_rows(kImageDir + "resize/manifest.jsonl");
  SKIP_WITHOUT(rows);
  ThreadPool pool(3);
  for (const Json& row : rows) EXPECT_EQ(crc_of(resize_row(row, &pool)), expected_crc(row)) << row["file"];
}

// Byte i = floor(256 u), u from SplitMix64 of the 64-bit FNV-1a hash of "px".
Image make_px_image() {
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : {'p', 'x'}) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  Image image = make_image(7, 5);
  for (size_t i = 0; i < image.rgb.size(); ++i)
    image.rgb[i] = static_cast<uint8_t>(splitmix64(hash + (i + 1) * 0x9E3779B97F4A7C15) >> 56);
  return image;
}

TEST(Resize, EqualsPillowOnTheNumberedPicture) {
  struct Case {
    Filter filter;
    int width, height;
    int64_t sum, sum_of_squares;
    std::vector<uint8_t> first;
  };
  const Case cases[] = {
      // nanovlm.md, end of the appendix: Pillow's results
      {Filter::Bicubic, 4, 6, 8359, 1101275, {124, 207, 181, 122, 85, 140}},
      {Filter::Bicubic, 9, 3, 9415, 1279593, {15, 237, 116, 137, 143, 113}},
      {Filter::Bilinear, 4, 6, 8367, 1071299, {122, 197, 171, 115, 94, 139}},
      {Filter::Bilinear, 9, 3, 9404, 1237074, {24, 227, 120, 123, 148, 116}},
  };
  Image source = make_px_image();
  EXPECT_EQ(std::vector<uint8_t>(source.rgb.begin(), source.rgb.begin() + 9),
            (std::vector<uint8_t>{41, 246, 186, 234, 147, 149, 6, 112, 197}));
  for (const Case& c : cases) {
    SCOPED_TRACE(c.width);
    Image out = resize(source, c.width, c.height, c.filter);
    EXPECT_EQ(std::accumulate(out.rgb.begin(), out.rgb.end(), int64_t{0}), c.sum);
    EXPECT_EQ(std::inner_product(out.rgb.begin(), out.rgb.end(), out.rgb.begin(), int64_t{0}), c.sum_of_squares);
    EXPECT_EQ(std::vector<uint8_t>(out.rgb.begin(), out.rgb.begin() + 6), c.first);
  }
}

// mini-monkey.md, section 8.1: Pillow 9.4 on formula pictures.
TEST(Resize, EqualsPillowOnFormulaPictures) {
  struct Case {
    int width, height, new_width, new_height;
    Filter filter;
    uint32_t crc;
  };
  for (const Case& c : {Case{100, 37, 448, 448, Filter::Bicubic, 0x8bc98aa3},
                        {100, 37, 448, 448, Filter::Bilinear, 0x3faa7004},
                        {700, 600, 1792, 1344, Filter::Bicubic, 0xf619f202},
                        {700, 600, 448, 448, Filter::Bicubic, 0x90aa44be},
                        {640, 480, 300, 200, Filter::Bicubic, 0xacec6321},
                        {640, 480, 300, 200, Filter::Bilinear, 0x5f55ffed}}) {
    Image source = make_formula_image(c.width, c.height);
    EXPECT_EQ(crc_of(resize(source, c.new_width, c.new_height, c.filter)), c.crc) << c.width << " " << c.new_width;
  }
}

// minicpm-v.md, section 3.2: rows of grey, and a small picture that shrinks in both directions.
TEST(Resize, EqualsPillowOnShortRows) {
  struct Case {
    std::vector<uint8_t> in, out;
  };
  for (const Case& c : {Case{{10, 200, 30, 250, 90}, {87, 125, 158}},
                        {{10, 200, 30}, {0, 29, 128, 200, 138, 48, 14}},
                        {{0, 255, 0, 255, 0, 255, 0, 255}, {112, 127, 143}}}) {
    Image row = make_image(static_cast<int>(c.in.size()), 1), column = make_image(1, row.width);
    for (int x = 0; x < row.width; ++x)
      std::fill_n(row.pixel(x, 0), 3, c.in[x]), std::fill_n(column.pixel(0, x), 3, c.in[x]);
    Image wide = resize(row, static_cast<int>(c.out.size()), 1, Filter::Bicubic);
    Image high = resize(column, 1, static_cast<int>(c.out.size()), Filter::Bicubic);
    for (size_t i = 0; i < 3 * c.out.size(); ++i) EXPECT_EQ(wide.rgb[i], c.out[i / 3]) << i;
    EXPECT_EQ(high.rgb, wide.rgb);
  }
  Image square = make_image(4, 4);
  for (size_t i = 0; i < square.rgb.size(); ++i) square.rgb[i] = static_cast<uint8_t>(5 * i);
  const std::vector<uint8_t> expected = {20,  25,  30,  47,  52,  57,  99,  104, 109,
                                         126, 131, 136, 178, 183, 188, 205, 210, 215};
  EXPECT_EQ(resize(square, 2, 3, Filter::Bicubic).rgb, expected);
}

// The definition in its plainest form, against the vector loop, on lengths around the block of 48.
TEST(ResampleKernels, EqualTheScalarSum) {
  Rng rng(7);
  for (int n : {1, 7, 33, 47, 48, 49, 95, 96, 131}) {
    for (int n_taps : {0, 1, 2, 7, 40}) {
      std::vector<uint8_t> in(static_cast<size_t>(n) * static_cast<size_t>(n_taps + 1)), out(static_cast<size_t>(n));
      std::vector<int32_t> weights(static_cast<size_t>(n_taps) + 1);
      for (uint8_t& byte : in) byte = static_cast<uint8_t>(rng.below(256));
      for (int32_t& w : weights) w = static_cast<int32_t>((3 * rng.uniform() - 1) * (1 << 21) / (n_taps + 1));
      weigh_rows(in.data(), n, weights.data(), n_taps, out.data(), n);
      for (int i = 0; i < n; ++i) {
        int64_t sum = 1 << 21;
        for (int t = 0; t < n_taps; ++t) sum += static_cast<int64_t>(weights[t]) * in[t * n + i];
        ASSERT_EQ(out[i], std::clamp<int64_t>(sum >> 22, 0, 255)) << n << " " << n_taps;
      }
    }
  }
}

TEST(Resize, SameSizeIsACopyAndFactsStay) {
  Image source = make_px_image();
  source.facts.format = "PNG";
  source.facts.orientation = 6;
  for (Filter filter : {Filter::Nearest, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos}) {
    EXPECT_EQ(resize(source, 7, 5, filter).rgb, source.rgb);
    Image out = resize(source, 14, 3, filter);
    EXPECT_EQ(out.facts.format, "PNG");
    EXPECT_EQ(out.facts.orientation, 6);
    EXPECT_EQ(out.facts.stored_width, 7);
  }
}

// A box on whole pixels whose neighbours do not matter (nearest) is the same as cutting first.
TEST(Resize, BoxCutsForNearest) {
  Image source = make_px_image(), cut = make_image(4, 2);
  for (int y = 0; y < 2; ++y) std::copy_n(source.pixel(2, 1 + y), 12, cut.row(y));
  EXPECT_EQ(resize(source, 9, 7, Filter::Nearest, Box{2, 1, 6, 3}).rgb, resize(cut, 9, 7, Filter::Nearest).rgb);
}

// A smooth ramp keeps its values: output column x of a 2x enlarged part shows the ramp at left + (x + 0.5) / 2.
TEST(Resize, BoxReadsAcrossItsEdge) {
  Image ramp = make_image(64, 4);
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 64; ++x) std::fill_n(ramp.pixel(x, y), 3, static_cast<uint8_t>(4 * x));
  Image out = resize(ramp, 32, 4, Filter::Bilinear, Box{20, 0, 36, 4});
  for (int x = 0; x < 32; ++x) EXPECT_EQ(out.pixel(x, 2)[1], 4 * 20 - 1 + 2 * x) << x;
}

TEST(Resize, ExtremeShapes) {
  Image line = make_image(5000, 1, {9, 8, 7});
  for (Filter filter : {Filter::Nearest, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos}) {
    Image out = resize(line, 1, 300, filter);
    EXPECT_EQ(out.rgb, make_image(1, 300, {9, 8, 7}).rgb) << filter_name(filter);
  }
}

TEST(Filters, NamesAndPillowNumbers) {
  EXPECT_EQ(find_filter("bicubic"), Filter::Bicubic);
  EXPECT_EQ(find_filter("cubic"), std::nullopt);
  EXPECT_EQ(filter_from_pillow(0), Filter::Nearest);
  EXPECT_EQ(filter_from_pillow(1), Filter::Lanczos);
  EXPECT_EQ(filter_from_pillow(2), Filter::Bilinear);
  EXPECT_EQ(filter_from_pillow(3), Filter::Bicubic);
  EXPECT_EQ(filter_from_pillow(4), std::nullopt);
  EXPECT_EQ(filter_name(Filter::Lanczos), "lanczos");
}

}  // namespace
}  // namespace galago
