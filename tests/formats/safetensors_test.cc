#include "formats/safetensors.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "formats/gguf_writer.h"
#include "tests/formats/bytes.h"
#include "tests/support/temporary_folder.h"

namespace galago {
namespace {

using testing::as_bytes;
using testing::Bytes;
using testing::expect_error;
using testing::TemporaryFolder;

SafetensorsFile parse(const std::string& bytes) { return SafetensorsFile::parse(as_bytes(bytes), "test.safetensors"); }

std::string file_of(std::string_view json, size_t data_bytes) { return Bytes().text(json).fill(data_bytes, 1).str(); }

std::string entry(std::string_view name, std::string_view dtype, std::string_view shape, int64_t begin, int64_t end) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})", name, dtype, shape, begin, end);
}

std::string small_file() {
  std::string json = "{\"__metadata__\":{\"format\":\"pt\"}," + entry("a", "F32", "[2,2]", 0, 16) + "," +
                     entry("b", "BF16", "[3]", 16, 22) + "," + entry("c", "U8", "[0,4]", 22, 22) + "," +
                     entry("d", "F32", "[]", 22, 26) + "}  ";
  return Bytes().text(json).put(1.0f).put(2.0f).put(3.0f).put(4.0f).fill(6).put(7.5f).str();
}

TEST(Safetensors, ReadsTensors) {
  std::string bytes = small_file();
  SafetensorsFile file = parse(bytes);
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.names(), (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_EQ(file.get("a").shape(), Shape({2, 2}));
  EXPECT_EQ(file.get("a").f32()[3], 4.0f);
  EXPECT_EQ(file.get("b").dtype(), DType::BF16);
  EXPECT_EQ(file.get("c").elements(), 0);
  EXPECT_EQ(file.get("d").shape().rank(), 0);
  EXPECT_EQ(file.get("d").f32()[0], 7.5f);  // at an odd place: a copy
  expect_error([&] { file.get("e"); }, "test.safetensors: no tensor e");
}

TEST(Safetensors, EmptyModelIsLegal) { EXPECT_TRUE(parse(file_of("{}", 0)).names().empty()); }

TEST(Safetensors, EveryTruncationIsAnError) {
  std::string bytes = small_file();
  for (size_t n = 0; n < bytes.size(); ++n) {
    std::string cut = bytes.substr(0, n);
    EXPECT_THROW(parse(cut), Error) << n;
  }
}

TEST(Safetensors, EveryByteFlipIsReadOrRefused) {
  std::string bytes = small_file();
  int read = 0, refused = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int change : {0x01, 0x02, 0x10, 0x7F, 0x80, 0xFF}) {
      std::string bad = bytes;
      bad[at] = static_cast<char>(bad[at] ^ change);
      try {
        SafetensorsFile file = parse(bad);
        for (const std::string& name : file.names()) file.get(name);
        ++read;
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(read, 0);
  EXPECT_GT(refused, 500);
}

TEST(Safetensors, FuzzSeedsAreValid) {
  int count = 0;
  for (const auto& item : std::filesystem::directory_iterator(GALAGO_SOURCE_DIR "/tests/fuzz/corpus/safetensors")) {
    SCOPED_TRACE(item.path().string());
    EXPECT_NO_THROW(SafetensorsFile::open(item.path().string()));
    ++count;
  }
  EXPECT_GE(count, 2);
}

TEST(SafetensorsAttack, Header) {
  expect_error([] { parse(Bytes().put<uint64_t>(0).str()); }, "does not start with {");
  expect_error([] { parse(file_of(" {}", 0)); }, "does not start with {");
  expect_error([] { parse(Bytes().put<uint64_t>(100).raw("{}").str()); }, "file ends too early");
  expect_error([] { parse(Bytes().put<uint64_t>(100'000'001).raw("{}").str()); }, "the limit is 100000000");
  expect_error([] { parse(Bytes().put(~uint64_t{0}).raw("{}").str()); }, "the limit is 100000000");
  expect_error([] { parse(file_of("{\"a\":", 0)); }, "not valid JSON");
  expect_error([] { parse(file_of("{\"a\":1}", 0)); }, "no string \"dtype\"");
  expect_error([] { parse(file_of("{\"a\":" + std::string(200, '[') + std::string(200, ']') + "}", 0)); }, "nested");
  expect_error([] { parse(file_of("{\"__metadata__\":{\"x\":1}}", 0)); }, "does not hold a string");
}

struct BadTensors {
  std::string entries;
  size_t data_bytes;
  const char* message;
};

TEST(SafetensorsAttack, Tensors) {
  const BadTensors cases[] = {
      {entry("a", "F32", "[2]", 0, 8) + "," + entry("a", "F32", "[2]", 8, 16), 16, "occurs twice"},
      {entry("a", "F32", "[2]", 0, 8) + "," + entry("b", "F32", "[2]", 12, 20), 20, "begins at byte 12"},
      {entry("a", "F32", "[2]", 0, 8) + "," + entry("b", "F32", "[2]", 4, 12), 12, "begins at byte 4"},
      {entry("a", "F32", "[2]", 4, 12), 12, "expected 0"},
      {entry("a", "F32", "[2]", 0, 8), 9, "the file holds 9"},
      {entry("a", "F32", "[2]", 0, 8), 7, "the file holds 7"},
      {entry("a", "F32", "[2]", 0, 4), 4, "expected 8 bytes"},
      {entry("a", "F32", "[2]", 8, 0), 8, "data_offsets 8 to 0"},
      {entry("a", "F32", "[-1]", 0, 0), 0, "expected whole numbers"},
      {entry("a", "F32", "[1.5]", 0, 6), 6, "expected whole numbers"},
      {entry("a", "F32", "[\"2\"]", 0, 8), 8, "expected whole numbers"},
      {entry("a", "F32", "[2]", -8, 0), 8, "expected whole numbers"},
      {entry("a", "F32", "[4611686018427387904,4]", 0, 0), 0, "too large"},
      {entry("a", "F32", "[0,4611686018427387904,4]", 0, 0), 0, "too large"},
      {entry("a", "F64", "[4611686018427387904]", 0, 0), 0, "too large"},
      {entry("a", "F32", "[18446744073709551615]", 0, 0), 0, "expected whole numbers"},
      {entry("a", "F32", "[1,1,1,1,1,1,1]", 0, 4), 4, "7 dimensions"},
      {entry("a", "F4", "[3]", 0, 1), 1, "no whole number of bytes"},
      {entry("a", "F128", "[1]", 0, 16), 16, "unknown dtype F128"},
      {R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]})", 4, "3 data_offsets"},
      {R"("a":{"dtype":"F32","shape":2,"data_offsets":[0,4]})", 4, "no list \"shape\""},
      {R"("a":{"dtype":"F32","shape":[1]})", 4, "no list \"data_offsets\""},
      {R"("a":{"dtype":4,"shape":[1],"data_offsets":[0,4]})", 4, "no string \"dtype\""},
  };
  for (const BadTensors& bad : cases) {
    SCOPED_TRACE(bad.entries);
    expect_error([&] { parse(file_of("{" + bad.entries + "}", bad.data_bytes)); }, bad.message);
  }
}

TEST(Safetensors, OtherTypesAreListedAndRefusedWhenUsed) {
  std::string bytes = file_of("{" + entry("a", "F8_E4M3", "[3]", 0, 3) + "," + entry("b", "F4", "[2]", 3, 4) + "}", 4);
  SafetensorsFile file = parse(bytes);
  EXPECT_EQ(file.tensors()[0].dtype_name, "F8_E4M3");
  expect_error([&] { file.get("a"); }, "a has dtype F8_E4M3, which is not supported");
  expect_error([&] { file.get("b"); }, "dtype F4");
}

std::vector<NamedTensor> sample_tensors() {
  Tensor f = Tensor::from({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  return {{"half", encode(f, DType::F16)},
          {"z", f},
          {"a", f.reshaped({6})},
          {"mask", Tensor::make(DType::BOOL, {5})},
          {"ids", Tensor::make(DType::I64, {2})},
          {"empty", Tensor::make(DType::F32, {0})}};
}

TEST(SafetensorsWriter, WhatIsWrittenIsRead) {
  TemporaryFolder folder;
  std::string path = folder.file("m.safetensors");
  write_safetensors(path, sample_tensors(), {{"note", "h\xC3\xA9"}});
  SafetensorsFile file = SafetensorsFile::open(path);
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}, {"note", "h\xC3\xA9"}}));
  for (const NamedTensor& item : sample_tensors()) {
    SCOPED_TRACE(item.name);
    Tensor read = file.get(item.name);
    EXPECT_EQ(read.dtype(), item.tensor.dtype());
    EXPECT_EQ(read.shape(), item.tensor.shape());
    EXPECT_TRUE(std::equal(read.bytes(), read.bytes() + read.n_bytes(), item.tensor.bytes()));
  }
  // Wide numbers first, then by name; a header that keeps the data aligned.
  std::vector<std::pair<uint64_t, std::string>> order;
  for (const SafetensorsRecord& record : file.tensors())
    if (record.end > record.begin) order.emplace_back(record.begin, record.name);
  std::ranges::sort(order);
  std::vector<std::string> names;
  for (auto& [begin, name] : order) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"ids", "a", "z", "half", "mask"}));
  uint64_t header_bytes;
  std::memcpy(&header_bytes, read_file(path).data(), 8);
  EXPECT_EQ(header_bytes % 8, 0u);
}

TEST(SafetensorsWriter, RefusesWhatItCannotHold) {
  TemporaryFolder folder;
  std::string path = folder.file("m.safetensors");
  Tensor f = Tensor::make(DType::F32, {1, 32});
  expect_error([&] { write_safetensors(path, {{"q", encode(f, DType::Q8_0)}}); }, "q8_0, which safetensors cannot");
  expect_error([&] { write_safetensors(path, {{"a", f}, {"a", f}}); }, "given twice");
  expect_error([&] { write_safetensors(path, {{"__metadata__", f}}); }, "cannot be named");
  expect_error([&] { write_safetensors(path, {{"\xFF", f}}); }, "must be UTF-8");
  EXPECT_FALSE(std::filesystem::exists(path));
}

struct ShardedModel {
  TemporaryFolder folder;
  std::string index = folder.file("model.safetensors.index.json");
  ShardedModel() {
    write_safetensors(folder.file("one.safetensors"), {{"a", Tensor::from({2}, std::vector<float>{1, 2})}});
    write_safetensors(folder.file("two.safetensors"),
                      {{"b", Tensor::from({1}, std::vector<float>{3})}, {"extra", Tensor::make(DType::F32, {1})}});
  }
  SafetensorsFile open(std::string_view map) const { return open_with_total(map, "12"); }
  SafetensorsFile open_with_total(std::string_view map, std::string_view total) const {
    write_file(index, fmt::format(R"({{"metadata":{{"total_size":{}}},"weight_map":{}}})", total, map));
    return SafetensorsFile::open(index);
  }
};

TEST(SafetensorsIndex, ReadsAllShards) {
  ShardedModel model;
  SafetensorsFile file = model.open(R"({"b":"two.safetensors","a":"one.safetensors"})");
  EXPECT_EQ(file.names(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(file.get("a").f32()[1], 2.0f);
  EXPECT_EQ(file.get("b").f32()[0], 3.0f);
  ASSERT_EQ(file.warnings().size(), 1u);
  EXPECT_NE(file.warnings()[0].find("1 tensors are not listed"), std::string::npos);
  EXPECT_FALSE(file.has("extra"));
}

TEST(SafetensorsIndex, RefusesWrongMaps) {  // A16
  ShardedModel model;
  for (const char* name : {"../one.safetensors", "/etc/passwd", "sub/one.safetensors", "..", "", "a\\\\b"})
    expect_error([&] { model.open(fmt::format(R"({{"a":"{}"}})", name)); }, "not a plain file name");
  expect_error([&] { model.open(R"({"c":"one.safetensors"})"); }, "no tensor c, which");
  expect_error([&] { model.open(R"({"a":"three.safetensors"})"); }, "no such file");
  expect_error([&] { model.open(R"({"a":5})"); }, "not a file name");
  expect_error([&] { model.open("[]"); }, "no object \"weight_map\"");
  expect_error([&] { model.open(R"({"a":"model.safetensors.index.json"})"); }, "not a plain file name");
  expect_error([&] { model.open(R"({"a":"one.safetensors","a":"two.safetensors"})"); }, "\"a\" occurs twice");
}

// A wrong total only warns: programs count tied weights differently.
TEST(SafetensorsIndex, TotalSize) {
  ShardedModel model;
  EXPECT_TRUE(model.open_with_total(R"({"a":"one.safetensors"})", "8").warnings().empty());
  EXPECT_TRUE(model.open_with_total(R"({"a":"one.safetensors"})", "8.0").warnings().empty());
  EXPECT_TRUE(model.open_with_total(R"({"a":"one.safetensors"})", "null").warnings().empty());
  EXPECT_TRUE(model.open_with_total(R"({"a":"one.safetensors"})", "1e300").warnings().empty());  // not a count
  for (const char* total : {"9", "18446744073709551615"}) {
    auto warnings = model.open_with_total(R"({"a":"one.safetensors"})", total).warnings();
    ASSERT_EQ(warnings.size(), 1u) << total;
    EXPECT_NE(warnings[0].find("but the listed tensors take 8"), std::string::npos);
  }
}

TEST(WeightSource, OpensEveryKind) {
  ShardedModel model;
  model.open(R"({"a":"one.safetensors"})");
  GgufWriter writer;
  writer.add("a", Tensor::from({2}, std::vector<float>{1, 2}));
  writer.save(model.folder.file("m.gguf"));
  for (const std::string& path :
       {model.index, model.folder.file("one.safetensors"), model.folder.file("m.gguf"), model.folder.file("")}) {
    auto source = open_weights(path);
    EXPECT_TRUE(source->has("a")) << path;
    EXPECT_EQ(source->get("a").f32()[1], 2.0f) << path;
    expect_error([&] { source->get("nothing"); }, "no tensor nothing");
  }
  TemporaryFolder empty;
  expect_error([&] { open_weights(empty.file("")); }, "neither model.safetensors nor");
  expect_error([&] { open_weights(empty.file("x.gguf")); }, "no such file");
}

}  // namespace
}  // namespace galago
