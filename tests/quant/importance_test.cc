// Importance matrices: both file forms, names of both programs, hostile files, and what they are for.
#include "quant/importance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "formats/gguf_writer.h"
#include "quant/quantize.h"
#include "tests/support/temporary_folder.h"

namespace galago {
namespace {

struct Bytes {
  std::string text;
  Bytes& i32(int32_t value) {
    text.append(reinterpret_cast<const char*>(&value), 4);
    return *this;
  }
  Bytes& name(std::string_view name) {
    i32(static_cast<int32_t>(name.size()));
    text += name;
    return *this;
  }
  Bytes& floats(std::initializer_list<float> values) {
    i32(static_cast<int32_t>(values.size()));
    for (float value : values) text.append(reinterpret_cast<const char*>(&value), 4);
    return *this;
  }
};

std::vector<float> to_vector(std::span<const float> values) { return {values.begin(), values.end()}; }

std::string legacy_file() {
  Bytes b;
  b.i32(2);
  b.name("blk.0.ffn_down.weight").i32(4).floats({4, 8, 0});
  b.name("output.weight").i32(0).floats({1, 2});
  b.i32(7).name("wiki.txt");  // last chunk and data set
  return b.text;
}

TEST(Importance, LegacyFile) {
  Importance importance = Importance::parse_legacy(legacy_file(), "a.dat");
  EXPECT_EQ(importance.size(), 2u);
  using Floats = std::vector<float>;
  EXPECT_EQ(to_vector(importance.find("text.blocks.0.mlp.down.weight", 0, 1, 3)), (Floats{1, 2, 0}));
  EXPECT_EQ(to_vector(importance.find("text.blocks.0.mlp.fc2.weight", 0, 1, 3)), (Floats{1, 2, 0}));
  EXPECT_EQ(to_vector(importance.find("text.head.weight", 0, 1, 2)), (Floats{1, 2}));
  EXPECT_EQ(to_vector(importance.find("output.weight", 1, 2, 1)), (Floats{2}));
  EXPECT_TRUE(importance.find("text.blocks.1.mlp.down.weight", 0, 1, 3).empty());
  EXPECT_TRUE(importance.find("vision.blocks.0.mlp.fc2.weight", 0, 1, 3).empty());
  EXPECT_THROW(importance.find("text.head.weight", 0, 1, 3), Error);
}

TEST(Importance, EveryTruncationIsRefused) {
  std::string file = legacy_file();
  size_t needed = file.size() - 4 - 4 - 8;  // without what follows the entries
  for (size_t n = 0; n < needed; ++n)
    EXPECT_THROW(Importance::parse_legacy(std::string_view(file).substr(0, n), "a.dat"), Error) << n;
  EXPECT_NO_THROW(Importance::parse_legacy(std::string_view(file).substr(0, needed), "a.dat"));
}

TEST(Importance, HostileNumbersAreRefused) {
  const float nan = std::nanf("");
  for (const std::string& bad :
       {Bytes().i32(0).text, Bytes().i32(-1).text, Bytes().i32(INT32_MAX).text, Bytes().i32(1).i32(INT32_MAX).text,
        Bytes().i32(1).name("a").i32(1).i32(INT32_MAX).text, Bytes().i32(1).name("a").i32(1).i32(-5).text,
        Bytes().i32(1).name("a").i32(1).floats({nan}).text, Bytes().i32(1).name("a").i32(1).floats({-1}).text,
        Bytes().i32(2).name("a").i32(1).floats({1}).name("a").i32(1).floats({1}).text})
    EXPECT_THROW(Importance::parse_legacy(bad, "a.dat"), Error);
}

class ImportanceFile : public ::testing::Test {
 protected:
  testing::TemporaryFolder folder_;
  std::string path_ = folder_.file("importance.gguf");
  void save(const char* type, const Tensor& counts) {
    GgufWriter writer;
    writer.set_string("general.type", type);
    writer.set<uint32_t>("imatrix.chunk_count", 3);
    writer.add("w.in_sum2", Tensor::from({2, 3}, std::vector<float>{2, 4, 6, 1, 1, 5}));
    writer.add("w.counts", counts);
    writer.save(path_);
  }
};

TEST_F(ImportanceFile, GgufWithOneMatrixNeverUsed) {
  save("imatrix", Tensor::from({2, 1}, std::vector<float>{2, 0}));
  Importance importance = Importance::read(path_);
  EXPECT_EQ(to_vector(importance.find("w", 0, 2, 3)), (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(to_vector(importance.find("w", 1, 2, 3)), (std::vector<float>{1, 1, 1}));
}

TEST_F(ImportanceFile, OtherGgufFilesAndWrongCountsAreRefused) {
  save("model", Tensor::from({2, 1}, std::vector<float>{2, 1}));
  EXPECT_THROW(Importance::read(path_), Error);
  save("imatrix", Tensor::from({3, 1}, std::vector<float>{2, 1, 1}));
  EXPECT_THROW(Importance::read(path_), Error);
  write_file(path_, "");
  EXPECT_THROW(Importance::read(path_), Error);
  EXPECT_THROW(Importance::read(path_ + ".none"), Error);
}

// The error that counts, weighted by importance, must fall in every format that uses it. Columns of large importance
// are few: a tenth of them a hundred times as important.
TEST(Importance, LowersTheWeightedError) {
  constexpr int64_t kRows = 16, kWidth = 512;
  Rng rng(3);
  Tensor w = Tensor::make(DType::F32, {kRows, kWidth});
  for (float& value : w.f32()) value = static_cast<float>(rng.normal());
  Bytes file;
  file.i32(1).name("w").i32(1).i32(kWidth);
  std::vector<float> columns(kWidth);
  for (float& value : columns) value = rng.chance(0.1) ? 100.0f : 1.0f;
  file.text.append(reinterpret_cast<const char*>(columns.data()), 4 * columns.size());
  Importance importance = Importance::parse_legacy(file.text, "a.dat");
  auto error = [&](DType type, const Importance* measured) {
    QuantRow row{.name = "w", .shape = w.shape(), .type = type};
    Tensor back = to_f32(quantize_one(w, row, measured));
    double sum = 0;
    for (size_t i = 0; i < back.f32().size(); ++i) sum += columns[i % kWidth] * std::pow(back.f32()[i] - w.f32()[i], 2);
    return sum;
  };
  for (DType type : {DType::Q2_K, DType::Q3_K, DType::Q4_K, DType::Q5_K, DType::Q6_K, DType::Q4_0, DType::Q4_1,
                     DType::Q5_0, DType::Q5_1, DType::IQ4_NL, DType::IQ4_XS})
    EXPECT_LT(error(type, &importance), 0.95 * error(type, nullptr)) << info(type).name;
  EXPECT_EQ(error(DType::Q8_0, &importance), error(DType::Q8_0, nullptr));
}

}  // namespace
}  // namespace galago
