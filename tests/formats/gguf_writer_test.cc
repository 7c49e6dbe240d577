#include "formats/gguf_writer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"
#include "tests/formats/bytes.h"
#include "tests/support/temporary_folder.h"

namespace galago {
namespace {

using testing::expect_error;
using testing::TemporaryFolder;

Tensor random_tensor(const Shape& shape, uint64_t seed) {
  Tensor tensor = Tensor::make(DType::F32, shape);
  Rng rng(seed);
  for (float& x : tensor.f32()) x = static_cast<float>(rng.normal());
  return tensor;
}

GgufWriter sample_writer() {
  GgufWriter writer;
  writer.set_string("general.architecture", "tiny");
  writer.set<uint32_t>("tiny.block_count", 3);
  writer.set<float>("tiny.eps", 1e-6f);
  writer.set<bool>("tiny.flag", true);
  writer.set<int64_t>("tiny.offset", -7);
  writer.set_strings("tokens", std::vector<std::string>{"a", "", "c c"});
  std::vector<int32_t> types = {1, 2, 3};
  writer.set_array<int32_t>("types", types);
  writer.add("norm.weight", random_tensor({5}, 1));
  writer.add("blk.0.weight", encode(random_tensor({3, 64}, 2), DType::Q8_0));
  writer.add("blk.1.weight", encode(random_tensor({2, 256}, 3), DType::Q4_K));
  writer.add("empty", Tensor::make(DType::F32, {0, 4}));
  return writer;
}

TEST(GgufWriter, WhatIsWrittenIsRead) {
  TemporaryFolder folder;
  std::string path = folder.file("a.gguf");
  sample_writer().save(path);
  GgufFile file = GgufFile::open(path);
  EXPECT_EQ(file.version(), 3u);
  EXPECT_EQ(file.get_u32("tiny.block_count"), 3u);
  EXPECT_EQ(file.get_i64("tiny.offset"), -7);
  EXPECT_EQ(file.get_strings("tokens")[2], "c c");
  EXPECT_EQ(file.get_i32s("types"), (std::vector<int32_t>{1, 2, 3}));
  EXPECT_EQ(file.get_u32("general.quantization_version"), 2u);
  EXPECT_EQ(file.names(), (std::vector<std::string>{"norm.weight", "blk.0.weight", "blk.1.weight", "empty"}));
  EXPECT_EQ(file.get("blk.0.weight").shape(), Shape({3, 64}));
  Tensor norm = file.get("norm.weight"), expected = random_tensor({5}, 1);
  EXPECT_TRUE(std::ranges::equal(norm.f32(), expected.f32()));
  EXPECT_EQ(std::filesystem::file_size(path) % 32, 0u);
}

TEST(GgufWriter, WritingWhatWasReadGivesTheSameBytes) {
  TemporaryFolder folder;
  sample_writer().save(folder.file("a.gguf"));
  GgufFile file = GgufFile::open(folder.file("a.gguf"));
  GgufWriter copy;
  copy.copy_metadata(file);
  for (const std::string& name : file.names()) copy.add(name, file.get(name));
  copy.save(folder.file("b.gguf"));
  EXPECT_EQ(read_file(folder.file("a.gguf")), read_file(folder.file("b.gguf")));
}

TEST(GgufWriter, TensorsOutliveTheFile) {
  TemporaryFolder folder;
  sample_writer().save(folder.file("a.gguf"));
  Tensor tensor = GgufFile::open(folder.file("a.gguf")).get("norm.weight");
  EXPECT_TRUE(std::ranges::equal(tensor.f32(), random_tensor({5}, 1).f32()));
}

TEST(GgufWriter, SettingAgainReplaces) {
  TemporaryFolder folder;
  GgufWriter writer;
  writer.set<uint32_t>("a", 1);
  writer.set<uint32_t>("b", 2);
  writer.set<uint32_t>("a", 3);
  writer.save(folder.file("a.gguf"));
  GgufFile file = GgufFile::open(folder.file("a.gguf"));
  ASSERT_EQ(file.entries().size(), 2u);
  EXPECT_EQ(file.entries()[0].key, "a");
  EXPECT_EQ(file.get_u32("a"), 3u);
}

TEST(GgufWriter, RefusesWhatGgufCannotHold) {
  GgufWriter writer;
  expect_error([&] { writer.add(std::string(64, 'n'), Tensor::make(DType::F32, {1})); }, "of 64 bytes");
  expect_error([&] { writer.add("mask", Tensor::make(DType::BOOL, {1})); }, "bool, which GGUF cannot store");
  expect_error([&] { writer.add("deep", Tensor::make(DType::F32, {1, 1, 1, 1, 1})); }, "at most 4 dimensions");
  writer.add("t", Tensor::make(DType::F32, {1}));
  expect_error([&] { writer.add("t", Tensor::make(DType::F32, {1})); }, "added twice");
}

TEST(GgufWriter, AFailureLeavesNothingBehind) {
  TemporaryFolder folder;
  GgufWriter writer;
  writer.add("t", DType::F32, {4}, []() -> Tensor { throw io_error("no such luck"); });
  EXPECT_THROW(writer.save(folder.file("a.gguf")), Error);
  EXPECT_TRUE(std::filesystem::is_empty(std::filesystem::path(folder.file("")).parent_path()));
}

// A model in three parts; `change` spoils one of them.
struct SplitModel {
  TemporaryFolder folder;
  std::string first() const { return part(0); }
  std::string part(int i) const { return folder.file(fmt::format("m-{:05}-of-00003.gguf", i + 1)); }

  GgufWriter writer(int i) const {
    GgufWriter writer;
    writer.set<uint16_t>("split.no", static_cast<uint16_t>(i));
    writer.set<uint16_t>("split.count", 3);
    writer.set<int32_t>("split.tensors.count", 6);
    if (i == 0) writer.set_string("general.architecture", "tiny");
    for (int k = 0; k < 2; ++k)
      writer.add(fmt::format("t{}", 2 * i + k), random_tensor({3, 7}, static_cast<uint64_t>(2 * i + k)));
    return writer;
  }
  SplitModel() {
    for (int i = 0; i < 3; ++i) writer(i).save(part(i));
  }
};

TEST(GgufSplit, ReadsAllParts) {
  SplitModel model;
  GgufFile file = GgufFile::open(model.first());
  EXPECT_EQ(file.names(), (std::vector<std::string>{"t0", "t1", "t2", "t3", "t4", "t5"}));
  for (uint64_t i = 0; i < 6; ++i)
    EXPECT_TRUE(std::ranges::equal(file.get(fmt::format("t{}", i)).f32(), random_tensor({3, 7}, i).f32())) << i;
}

TEST(GgufSplit, RefusesWrongParts) {
  SplitModel model;
  expect_error([&] { GgufFile::open(model.part(1)); }, "open the part whose name ends in -00001-of-00003.gguf");
  std::filesystem::copy_file(model.part(2), model.part(1), std::filesystem::copy_options::overwrite_existing);
  expect_error([&] { GgufFile::open(model.first()); }, "says part 3 of 3; expected part 2 of 3");

  GgufWriter repeated = model.writer(1);
  repeated.add("t0", Tensor::make(DType::F32, {1}));
  repeated.save(model.part(1));
  expect_error([&] { GgufFile::open(model.first()); }, "tensor t0 is in an earlier part too");

  GgufWriter extra = model.writer(1);
  extra.add("t9", Tensor::make(DType::F32, {1}));
  extra.save(model.part(1));
  expect_error([&] { GgufFile::open(model.first()); }, "have 7 tensors; split.tensors.count says 6");

  std::filesystem::remove(model.part(1));
  expect_error([&] { GgufFile::open(model.first()); }, "no such file");
  std::filesystem::rename(model.first(), model.folder.file("other.gguf"));
  expect_error([&] { GgufFile::open(model.folder.file("other.gguf")); }, "expected a file name that ends in");
}

}  // namespace
}  // namespace galago
