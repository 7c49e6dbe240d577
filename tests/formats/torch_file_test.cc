#include "formats/torch_file.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "formats/torch_writer.h"
#include "tests/formats/bytes.h"
#include "tests/support/temporary_folder.h"

namespace galago {
namespace {

using testing::as_bytes;
using testing::Bytes;
using testing::expect_error;
using testing::TemporaryFolder;

std::string data_file(std::string_view name) {
  return fmt::format("{}/tests/formats/data/{}", GALAGO_SOURCE_DIR, name);
}

std::vector<float> floats(const Tensor& tensor) {
  Tensor f32 = to_f32(tensor);
  return {f32.f32().begin(), f32.f32().end()};
}

template <class T>
std::vector<int64_t> integers(const Tensor& tensor) {
  auto* values = reinterpret_cast<const T*>(tensor.bytes());
  return {values, values + tensor.elements()};
}

// The same checkpoint in three containers; what it holds is in tests/formats/data/make.py.
class TorchCheckpoint : public ::testing::TestWithParam<const char*> {
 protected:
  TorchFile file = TorchFile::open(data_file(GetParam()));
};
INSTANTIATE_TEST_SUITE_P(Files, TorchCheckpoint, ::testing::Values("zip.pth", "legacy.pth", "protocol4.pth"));

TEST_P(TorchCheckpoint, RealNumbers) {
  EXPECT_EQ(file.state_key(), "model");
  const std::vector<float> expected{0, 1, 2, 3, 4, 5};
  for (auto [name, dtype] :
       {std::pair("float32", DType::F32), std::pair("float16", DType::F16), std::pair("bfloat16", DType::BF16)}) {
    Tensor tensor = file.get(name);
    EXPECT_EQ(tensor.dtype(), dtype);
    EXPECT_EQ(tensor.shape(), Shape({2, 3}));
    EXPECT_EQ(floats(tensor), expected) << name;
  }
  EXPECT_EQ(integers<double>(file.get("float64")), (std::vector<int64_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(floats(file.get("scalar")), std::vector<float>{7.5f});
  EXPECT_EQ(file.get("scalar").shape().rank(), 0);
  EXPECT_EQ(file.get("empty").shape(), Shape({0, 4}));
}

TEST_P(TorchCheckpoint, WholeNumbers) {
  const std::vector<int64_t> expected{0, 1, 2, 3, 4, 5};
  EXPECT_EQ(integers<int8_t>(file.get("int8")), expected);
  EXPECT_EQ(integers<uint8_t>(file.get("uint8")), expected);
  EXPECT_EQ(integers<int32_t>(file.get("int32")), expected);
  EXPECT_EQ(integers<int64_t>(file.get("int64")), expected);
  EXPECT_EQ(file.get("int16").dtype(), DType::I32);  // widened
  EXPECT_EQ(integers<int32_t>(file.get("int16")), (std::vector<int64_t>{-5, 1, 2, 3, 4, 5}));
  EXPECT_EQ(file.get("bool").dtype(), DType::BOOL);
  EXPECT_EQ(integers<uint8_t>(file.get("bool")), (std::vector<int64_t>{1, 0, 1}));
}

TEST_P(TorchCheckpoint, StridedTensorsBecomeContiguous) {
  EXPECT_EQ(file.get("transposed").shape(), Shape({3, 2}));
  EXPECT_EQ(floats(file.get("transposed")), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(file.get("expanded").shape(), Shape({2, 4}));
  EXPECT_EQ(floats(file.get("expanded")), (std::vector<float>{1, 1, 1, 1, 2, 2, 2, 2}));
  EXPECT_EQ(floats(file.get("column")), (std::vector<float>{1, 4}));
  EXPECT_EQ(floats(file.get("second_row")), (std::vector<float>{3, 4, 5}));
  EXPECT_EQ(floats(file.get("parameter")), (std::vector<float>{1, 2}));
}

TEST_P(TorchCheckpoint, TheRestIsMetadata) {
  EXPECT_FALSE(file.has("state.0.exp_avg"));
  EXPECT_EQ(file.names().front(), "float32");
  EXPECT_EQ(file.metadata().at("epoch"), "3");
  EXPECT_EQ(file.metadata().at("best"), "0.5");
  EXPECT_EQ(file.metadata().at("done"), "false");
  EXPECT_EQ(file.metadata().at("config.run.seed"), "42");
  EXPECT_EQ(file.metadata().at("config.run.name"), "tiny");
}

TEST_P(TorchCheckpoint, AnotherDictionaryCanBeChosen) {
  TorchFile optimizer = TorchFile::open(data_file(GetParam()), "optimizer");
  EXPECT_EQ(floats(optimizer.get("state.0.exp_avg")), (std::vector<float>{1, 1}));
  EXPECT_EQ(TorchFile::open(data_file(GetParam()), "optimizer.state").names().size(), 2u);
  expect_error([&] { TorchFile::open(data_file(GetParam()), "ema"); },
               "no dictionary \"ema\"; at the top are: model, ");
  expect_error([&] { TorchFile::open(data_file(GetParam()), "epoch"); }, "no dictionary \"epoch\"");
}

TEST_P(TorchCheckpoint, EveryTruncationIsAnErrorOrComplete) {
  std::string bytes = read_file(data_file(GetParam()));
  for (size_t n = 0; n < bytes.size(); n += 3) {
    std::string cut = bytes.substr(0, n);
    EXPECT_THROW(TorchFile::parse(as_bytes(cut), "cut.pth"), Error) << n;
  }
}

TEST_P(TorchCheckpoint, EveryByteFlipIsReadOrRefused) {
  const std::string bytes = read_file(data_file(GetParam()));
  int read = 0, refused = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int change : {0x01, 0x80, 0xFF}) {
      std::string bad = bytes;
      bad[at] = static_cast<char>(bad[at] ^ change);
      try {
        TorchFile file = TorchFile::parse(as_bytes(bad), "flipped.pth");
        for (const std::string& name : file.names())
          if (file.find_tensor(name)->type) file.get(name);
        ++read;
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(read, 100);
  EXPECT_GT(refused, 1000);
}

TEST(TorchFile, TensorsAreViewsOfTheFile) {
  std::string bytes = read_file(data_file("zip.pth"));
  TorchFile file = TorchFile::parse(as_bytes(bytes), "zip.pth");
  auto inside = [&](const Tensor& tensor) {
    auto* at = reinterpret_cast<const char*>(tensor.bytes());
    return bytes.data() <= at && at < bytes.data() + bytes.size();
  };
  EXPECT_TRUE(inside(file.get("float32")));
  EXPECT_TRUE(inside(file.get("second_row")));
  EXPECT_FALSE(inside(file.get("transposed")));
  EXPECT_EQ(file.get("tied.a").bytes(), file.get("tied.b").bytes());
}

TEST(TorchFile, WrappersOfAllNamesAreTakenOff) {
  EXPECT_EQ(TorchFile::open(data_file("ddp.pth")).names(), (std::vector<std::string>{"a", "b"}));
}

TEST(TorchFile, RareTypes) {
  TorchFile file = TorchFile::open(data_file("rare.pth"));
  EXPECT_EQ(integers<int32_t>(file.get("u")), (std::vector<int64_t>{1, 65535}));
  expect_error([&] { file.get("c"); }, "tensor c is torch.complex64, which is not supported");
  expect_error([&] { file.get("d"); }, "no tensor d");
}

TEST(TorchFile, WrittenByCpp) {  // torch::pickle_save tags its containers with their types
  TorchFile file = TorchFile::open(data_file("libtorch113.pth"));
  EXPECT_EQ(floats(file.get("w")), (std::vector<float>{0, 3, 1, 4, 2, 5}));
}

TEST(TorchFileAttack, NothingIsRun) {  // A15
  const char* proof = "/tmp/galago-was-here";
  std::filesystem::remove(proof);
  for (const char* name : {"hostile.pth", "hostile_legacy.pth"})
    expect_error([&] { TorchFile::open(data_file(name)); }, "refused: it asks to call posix.system");
  EXPECT_FALSE(std::filesystem::exists(proof));
}

TEST(TorchFileAttack, OtherFiles) {
  expect_error([] { TorchFile::open(data_file("module.pth")); },
               "whole object of class torch.nn.modules.linear.Linear");
  expect_error([] { TorchFile::open(data_file("compressed.pth")); }, "is compressed");  // A19
  expect_error([] { TorchFile::open(data_file("bare.pkl")); }, "a bare pickle");
  std::string tar = Bytes().raw("storages").fill(249).raw("ustar").fill(250).str();
  expect_error([&] { TorchFile::parse(as_bytes(tar), "old.pth"); }, "tar file of torch before 0.1.10");
  expect_error([] { TorchFile::parse({}, "nothing.pth"); }, "neither a zip file nor");
}

// A legacy file around a hand-made object: storage "0" of 6 floats.
constexpr std::string_view kMagic = "\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19.";

std::string text(std::string_view value) { return Bytes().raw("X").put<uint32_t>(value.size()).raw(value).str(); }

std::string number(int64_t value) { return Bytes().raw("\x8A\x08").put(value).str(); }

std::string tuple(std::initializer_list<int64_t> values) {
  std::string result = "(";
  for (int64_t value : values) result += number(value);
  return result + "t";
}

std::string storage(std::string_view type = "FloatStorage", std::string_view key = "0", int64_t numel = 6) {
  return "(" + text("storage") + fmt::format("ctorch\n{}\n", type) + text(key) + text("cpu") + number(numel) + "tQ";
}

std::string tensor(int64_t offset, std::initializer_list<int64_t> sizes, std::initializer_list<int64_t> strides,
                   const std::string& source = storage()) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + source + number(offset) + tuple(sizes) + tuple(strides) + "\x89}tR";
}

std::string legacy(const std::string& object, const std::string& keys = "](" + text("0") + "e", int64_t numel = 6,
                   std::string_view machine = "\x88", int64_t protocol = 1001) {
  Bytes file;
  file.raw(kMagic).raw("\x80\x02").raw(number(protocol)).raw(".");
  file.raw("\x80\x02}").raw(text("little_endian")).raw(machine).raw("s.");
  file.raw("\x80\x02").raw(object).raw(".").raw("\x80\x02").raw(keys).raw(".").put(numel);
  for (float value : {0.f, 1.f, 2.f, 3.f, 4.f, 5.f}) file.put(value);
  return file.str();
}

std::string dict(const std::string& name, const std::string& value) { return "}" + text(name) + value + "s"; }

// The stream must mention storage "0" somewhere: pushed and popped.
const std::string kUnused = storage() + "0";

TorchFile parse_legacy(const std::string& object) {
  static std::string bytes;
  bytes = legacy(object);
  return TorchFile::parse(as_bytes(bytes), "crafted.pth");
}

TEST(TorchFile, CraftedTensor) {
  TorchFile file = parse_legacy(dict("a", tensor(1, {2, 2}, {2, 1})));
  EXPECT_EQ(floats(file.get("a")), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(file.state_key(), "");
}

TEST(TorchFile, LegacyViewsShiftTheStorage) {
  std::string view = "(" + text("storage") + "ctorch\nFloatStorage\n" + text("0") + text("cpu") + number(6) + "(" +
                     text("v") + number(2) + number(3) + "ttQ";
  EXPECT_EQ(floats(parse_legacy(dict("a", tensor(1, {2}, {1}, view))).get("a")), (std::vector<float>{3, 4}));
}

TEST(TorchFile, NestedDictionariesAndLists) {
  TorchFile file =
      parse_legacy(dict("net", dict("a", dict("b", tensor(0, {1}, {1})) + text("c") + "]" + tensor(5, {}, {}) + "as")));
  EXPECT_EQ(file.names(), (std::vector<std::string>{"net.a.b", "net.a.c.0"}));
  EXPECT_EQ(floats(file.get("net.a.c.0")), std::vector<float>{5});
}

struct BadObject {
  std::string object;
  const char* message;
};

TEST(TorchFileAttack, Tensors) {
  const int64_t huge = int64_t{1} << 62;
  const BadObject cases[] = {
      {dict("a", tensor(0, {7}, {1})), "reaches past the end of its storage of 6 numbers"},
      {dict("a", tensor(6, {1}, {1})), "reaches past the end"},
      {dict("a", tensor(6, {}, {})), "reaches past the end"},
      {dict("a", tensor(0, {2, 3}, {4, 1})), "reaches past the end"},
      {dict("a", tensor(0, {2}, {huge})), "reaches past the end"},
      {dict("a", tensor(huge, {2, 2, 2}, {huge, huge, huge})), "reaches past the end"},
      {dict("a", tensor(-1, {1}, {1})), "the offset is negative"},
      {dict("a", tensor(0, {-1}, {1})), "sizes are not whole numbers from 0"},
      {dict("a", tensor(5, {2}, {-1})), "strides are not whole numbers from 0"},
      {dict("a", tensor(0, {2, 3}, {1})), "2 sizes but 1 strides"},
      {dict("a", tensor(0, {huge, 8}, {0, 0})), "shape is too large"},
      {dict("a", tensor(0, {0, huge, huge}, {1, 1, 1})), "shape is too large"},
      {dict("a", tensor(0, {1 << 20}, {0})), "repeats its 6 numbers too often"},
      {dict("a", tensor(0, {1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1})), "has 7 dimensions"},
      {kUnused + dict("a", tensor(0, {1}, {1}, text("0"))), "tensor a has no storage"},
      {dict("a", tensor(0, {1}, {1}, storage("PickleStorage"))), "is a torch.PickleStorage, which is not known"},
      {kUnused + dict("a", tensor(0, {1}, {1}, storage("FloatStorage", "1"))), "storage 1 is missing from the list"},
      {dict("a", tensor(0, {1}, {1}, storage("FloatStorage", "0", 5))), "has 6 numbers; expected 5"},
      {dict("a", tensor(0, {1}, {1}, storage("FloatStorage", "0", -6))), "described in an unknown way"},
      {dict("a", tensor(0, {1}, {1}, storage("FloatStorage", "0", huge))), "is too large"},
      {dict("a", tensor(0, {1}, {1})) + text("b") + tensor(0, {1}, {1}, storage("HalfStorage")) + "s",
       "described in two different ways"},
      {dict("a", tensor(0, {1}, {1})) + text("a") + tensor(1, {1}, {1}) + "s", "tensor a occurs twice"},
      {dict("a\x1b[31m", tensor(0, {1}, {1})), "expected printable ASCII"},
      {dict("a", "ctorch._utils\n_rebuild_tensor_v2\n" + storage() + "\x85R"), "has no storage; expected"},
      {dict("a", "(" + text("storage") + text("0") + "tQ"), "described in an unknown way"},
      {kUnused + "N", "holds no dictionary of tensors"},
  };
  for (const BadObject& bad : cases) {
    SCOPED_TRACE(bad.message);
    expect_error([&] { parse_legacy(bad.object); }, bad.message);
  }
}

TEST(TorchFileAttack, Recursion) {
  std::string self = "}q\x01" + text("a") + "h\x01s";
  expect_error([&] { parse_legacy(kUnused + self); }, "nested without end");
  std::string deep = kUnused;
  for (int i = 0; i < 1000; ++i) deep += "}" + text("a");
  deep += "N";
  for (int i = 0; i < 1000; ++i) deep += "s";
  expect_error([&] { parse_legacy(deep); }, "nested without end");
  // Each level refers to the one below twice: 2^40 paths, none of them deep.
  std::string laughs = "}q" + std::string(1, 0);
  for (char i = 1; i <= 40; ++i)
    laughs += "}q" + std::string(1, i) + text("a") + "h" + std::string(1, char(i - 1)) + "s" + text("b") + "h" +
              std::string(1, char(i - 1)) + "s";
  expect_error([&] { parse_legacy(kUnused + laughs); }, "nested without end");
}

TEST(TorchFileAttack, LegacyStream) {
  auto parse = [](const std::string& bytes) { TorchFile::parse(as_bytes(bytes), "crafted.pth"); };
  std::string good = dict("a", tensor(0, {6}, {1}));
  EXPECT_NO_THROW(parse(legacy(good)));
  expect_error([&] { parse(legacy(good, "]")); }, "missing from the list");
  expect_error([&] { parse(legacy(good, "N")); }, "list of storages is missing");
  expect_error([&] { parse(legacy(good, "](" + text("1") + "e")); }, "storage 1 belongs to no tensor");
  expect_error([&] { parse(legacy(good, "](" + text("0") + text("0") + "e")); }, "file ends too early");
  expect_error([&] { parse(legacy(good, "](" + text("0") + "e", -1)); }, "expected 6");
  expect_error([&] { parse(legacy(good, "](" + text("0") + "e", 6, "\x89")); }, "little-endian");
  expect_error([&] { parse(legacy(good, "](" + text("0") + "e", 6, "\x88", 1000)); }, "protocol 1000; expected 1001");
}

// The writer.

TorchWriter sample_writer() {
  TorchWriter writer("model");
  Tensor f = Tensor::from({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  writer.add("f", f);
  writer.add("half", encode(f, DType::F16));
  writer.add("bf", encode(f, DType::BF16));
  writer.add("ids", Tensor::from({3}, std::vector<int32_t>{7, -8, 9}));
  writer.add("mask", Tensor::make(DType::BOOL, {5}));
  writer.add("empty", Tensor::make(DType::F32, {0, 4}));
  writer.add("scalar", Tensor::from(Shape{}, std::vector<float>{7.5f}));
  writer.set("epoch", int64_t{3});
  writer.set("lr", 0.25);
  writer.set("note", std::string("h\xC3\xA9"));
  writer.set("done", true);
  return writer;
}

TEST(TorchWriter, WhatIsWrittenIsRead) {
  TemporaryFolder folder;
  std::string path = folder.file("m.pth");
  sample_writer().save(path);
  TorchFile file = TorchFile::open(path);
  EXPECT_EQ(file.state_key(), "model");
  EXPECT_EQ(file.names(), (std::vector<std::string>{"f", "half", "bf", "ids", "mask", "empty", "scalar"}));
  for (const char* name : {"f", "half", "bf"})
    EXPECT_EQ(floats(file.get(name)), (std::vector<float>{1, 2, 3, 4, 5, 6})) << name;
  EXPECT_EQ(integers<int32_t>(file.get("ids")), (std::vector<int64_t>{7, -8, 9}));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file.get("half").bytes()) % 64, 0u);  // the map begins at a page
  EXPECT_EQ(file.get("empty").shape(), Shape({0, 4}));
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{
                                 {"epoch", "3"}, {"lr", "0.25"}, {"note", "h\xC3\xA9"}, {"done", "true"}}));
}

TEST(TorchWriter, WritesTheGoldenBytes) {
  TemporaryFolder folder;
  sample_writer().save(folder.file("m.pth"));
  EXPECT_TRUE(read_file(folder.file("m.pth")) == read_file(data_file("written.pth")));
}

TEST(TorchWriter, RefusesWhatItCannotHold) {
  TorchWriter writer;
  Tensor f = Tensor::make(DType::F32, {1, 32});
  writer.add("a", f);
  expect_error([&] { writer.add("a", f); }, "given twice");
  expect_error([&] { writer.add("", f); }, "printable ASCII");
  expect_error([&] { writer.add("q", encode(f, DType::Q8_0)); }, "q8_0, which PyTorch cannot store");
}

}  // namespace
}  // namespace galago
