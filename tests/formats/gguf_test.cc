#include "formats/gguf.h"

#include <gtest/gtest.h>

#include <cstring>

#include "formats/gguf_writer.h"
#include "tests/formats/bytes.h"
#include "tests/support/temporary_folder.h"

namespace galago {
namespace {

using testing::as_bytes;
using testing::Bytes;
using testing::expect_error;
using testing::TemporaryFolder;

constexpr uint32_t kU8 = 0, kU32 = 4, kF32 = 6, kBool = 7, kString = 8, kArray = 9, kU64 = 10;

GgufFile parse(const std::string& bytes) { return GgufFile::parse(as_bytes(bytes), "test.gguf"); }

Bytes header(uint64_t n_tensors, uint64_t n_entries, uint32_t version = 3) {
  Bytes bytes;
  bytes.raw("GGUF").put(version).put(n_tensors).put(n_entries);
  return bytes;
}

struct Record {
  std::string name;
  std::vector<int64_t> ne;
  uint32_t type;
  uint64_t offset;
};

void put_record(Bytes& bytes, const Record& record) {
  bytes.text(record.name).put(static_cast<uint32_t>(record.ne.size()));
  for (int64_t ne : record.ne) bytes.put(ne);
  bytes.put(record.type).put(record.offset);
}

// A file without metadata, with these tensors and this many bytes of data.
std::string with_tensors(const std::vector<Record>& records, size_t data_bytes) {
  Bytes bytes = header(records.size(), 0);
  for (const Record& record : records) put_record(bytes, record);
  return bytes.pad().fill(data_bytes, 1).str();
}

std::string with_entry(std::string_view key, uint32_t type, const Bytes& value) {
  return header(0, 1).text(key).put(type).raw(value.str()).str();
}

// Every kind of metadata, two tensors, and no byte that is not needed.
std::string small_file() {
  Bytes bytes = header(2, 6);
  bytes.text("general.architecture").put(kString).text("tiny");
  bytes.text("tiny.block_count").put(kU32).put<uint32_t>(2);
  bytes.text("tiny.eps").put(kF32).put(1e-5f);
  bytes.text("tiny.flag").put(kBool).put<uint8_t>(1);
  bytes.text("tokens").put(kArray).put(kString).put<uint64_t>(3).text("a").text("").text("\xFF\x01");
  bytes.text("scores").put(kArray).put(kF32).put<uint64_t>(2).put(0.5f).put(-1.0f);
  put_record(bytes, {"a.weight", {4, 2}, 0, 0});
  put_record(bytes, {"b.weight", {32}, 8, 32});
  bytes.pad();
  for (int i = 0; i < 8; ++i) bytes.put(static_cast<float>(i));
  return bytes.fill(34, 2).str();
}

TEST(Gguf, EmptyFileIs24Bytes) {
  std::string bytes = header(0, 0).str();
  ASSERT_EQ(bytes.size(), 24u);
  EXPECT_TRUE(parse(bytes).entries().empty());
  EXPECT_TRUE(parse(bytes).names().empty());
}

TEST(Gguf, ReadsMetadataAndTensors) {
  std::string bytes = small_file();
  GgufFile file = parse(bytes);
  EXPECT_EQ(file.get_string("general.architecture"), "tiny");
  EXPECT_EQ(file.get_u32("tiny.block_count"), 2u);
  EXPECT_EQ(file.get_count("tiny.block_count", 1, 512), 2);
  EXPECT_EQ(file.get_f32("tiny.eps"), 1e-5f);
  EXPECT_TRUE(file.get_bool("tiny.flag"));
  EXPECT_EQ(file.get_strings("tokens"), (std::vector<std::string_view>{"a", "", "\xFF\x01"}));
  EXPECT_EQ(file.get_f32s("scores"), (std::vector<float>{0.5f, -1.0f}));
  EXPECT_EQ(file.get_u32("absent", 7), 7u);

  EXPECT_EQ(file.names(), (std::vector<std::string>{"a.weight", "b.weight"}));
  Tensor a = file.get("a.weight");
  EXPECT_EQ(a.shape(), Shape({2, 4}));
  EXPECT_EQ(a.f32()[5], 5.0f);
  EXPECT_EQ(file.get("b.weight").dtype(), DType::Q8_0);
  expect_error([&] { file.get("c.weight"); }, "test.gguf: no tensor c.weight");
}

TEST(Gguf, GettersCheckTypeAndRange) {
  std::string bytes = small_file();
  GgufFile file = parse(bytes);
  expect_error([&] { file.get_u32("absent"); }, "absent is missing");
  expect_error([&] { file.get_u32("tiny.eps"); }, "tiny.eps has type f32; expected an integer");
  expect_error([&] { file.get_f32("tiny.block_count"); }, "type u32; expected f32");
  expect_error([&] { file.get_count("tiny.block_count", 3, 512); }, "tiny.block_count is 2; expected 3 to 512");
  expect_error([&] { file.get_string("tokens"); }, "type string[3]; expected string");
  expect_error([&] { file.get_strings("scores"); }, "type f32[2]; expected an array of strings");
  expect_error([&] { file.get_f32s("tokens"); }, "expected an array of f32");
  expect_error([&] { file.get_i32s("scores"); }, "expected an array of integers");
  expect_error([&] { file.get_i32s("tiny.block_count"); }, "type u32; expected an array");
  expect_error([&] { file.get_bool("tiny.block_count"); }, "expected bool");
}

TEST(Gguf, IntegersConvertIfTheyFit) {
  std::string large = with_entry("n", kU64, Bytes().put<uint64_t>(1ull << 63));
  expect_error([&] { parse(large).get_i64("n"); }, "n is 9223372036854775808");
  expect_error([&] { parse(large).get_u32("n"); }, "expected 0 to 4294967295");
  std::string negative = with_entry("n", 1, Bytes().put<int8_t>(-5));
  EXPECT_EQ(parse(negative).get_i32("n"), -5);
  expect_error([&] { parse(negative).get_u32("n"); }, "n is -5");
  std::string small = with_entry("n", kU8, Bytes().put<uint8_t>(200));
  EXPECT_EQ(parse(small).get_i64("n"), 200);
  std::string nan = with_entry("x", kF32, Bytes().put(std::nanf("")));
  expect_error([&] { parse(nan).get_f32("x"); }, "expected a finite number");
}

TEST(Gguf, EntriesAsText) {
  std::string bytes = small_file();
  GgufFile file = parse(bytes);
  EXPECT_EQ(file.find("tokens")->to_string(), R"(["a", "", "\xff\x01"])");
  EXPECT_EQ(file.find("tokens")->type_text(), "string[3]");
  EXPECT_EQ(file.find("scores")->to_string(1), "[0.5, ...]");
  EXPECT_EQ(file.find("tiny.flag")->to_string(), "true");
  EXPECT_EQ(file.find("tiny.block_count")->to_string(), "2");
}

TEST(Gguf, EveryTruncationIsAnError) {
  std::string bytes = small_file();
  for (size_t n = 0; n < bytes.size(); ++n) {
    std::string cut = bytes.substr(0, n);
    EXPECT_THROW(parse(cut), Error) << n << " of " << bytes.size() << " bytes";
  }
}

// Reads all that can be read, as a careless program would.
void use_everything(const GgufFile& file) {
  for (const GgufEntry& entry : file.entries()) {
    entry.to_string();
    for (auto getter : {+[](const GgufFile&f, std::string_view k) { f.get_i32s(k); },
                        +[](const GgufFile&f, std::string_view k) { f.get_strings(k); },
                        +[](const GgufFile&f, std::string_view k) { f.get_f32s(k); },
                        +[](const GgufFile&f, std::string_view k) { f.get_count(k, 1, 512); }}) {
      try {
        getter(file, entry.key);
      } catch (const Error&) {
      }
    }
  }
  for (const std::string& name : file.names()) to_f32(file.get(name));
}

TEST(Gguf, EveryByteFlipIsReadOrRefused) {
  std::string bytes = small_file();
  int read = 0, refused = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int change : {0x01, 0x02, 0x10, 0x7F, 0x80, 0xFF}) {
      std::string bad = bytes;
      bad[at] = static_cast<char>(bad[at] ^ change);
      try {
        use_everything(parse(bad));
        ++read;
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(read, 0);
  EXPECT_GT(refused, 1000);
}

TEST(GgufAttack, Header) {
  expect_error([] { parse("GGML____________________"); }, "not a GGUF file");
  expect_error([] { parse("tjgg____________________"); }, "before GGUF");
  expect_error([] { parse(header(0, 0, 0).str()); }, "version 0");
  expect_error([] { parse(header(0, 0, 1).str()); }, "version 1 (32-bit counts)");
  expect_error([] { parse(header(0, 0, 4).str()); }, "version 4");
  expect_error([] { parse(header(0, 0, 0x03000000).str()); }, "big-endian");
  EXPECT_NO_THROW(parse(header(0, 0, 2).str()));
}

TEST(GgufAttack, CountsBeyondTheFile) {  // A1, A12
  for (uint64_t count : {uint64_t{1}, uint64_t{1000000}, uint64_t{1} << 32, ~uint64_t{0}, ~uint64_t{0} / 14 + 2}) {
    expect_error([&] { parse(header(0, count).str()); }, "metadata entries, more than fit");
    expect_error([&] { parse(header(count, 0).str()); }, "tensors, more than fit");
  }
  for (uint64_t size : {uint64_t{5}, uint64_t{1} << 31, ~uint64_t{0} - 7, ~uint64_t{0}}) {
    expect_error([&] { parse(header(0, 1).put(size).raw("kkkkkkkk").str()); }, "file ends too early");
    expect_error([&] { parse(with_entry("key", kString, Bytes().put(size).raw("abc"))); }, "file ends too early");
    Bytes array = Bytes().put(kU32).put(size).raw("abc");
    expect_error([&] { parse(with_entry("key", kArray, array)); }, "elements, more than fit");
    Bytes strings = Bytes().put(kString).put(size).raw("abc");
    expect_error([&] { parse(with_entry("key", kArray, strings)); }, "elements, more than fit");
  }
}

TEST(GgufAttack, Metadata) {
  expect_error([] { parse(with_entry("key", 13, Bytes().fill(16))); }, "unknown type 13");
  expect_error([] { parse(with_entry("key", kBool, Bytes().put<uint8_t>(2))); }, "holds the bool 2");
  expect_error([] { parse(with_entry("key", kArray, Bytes().put(kBool).put<uint64_t>(1).put<uint8_t>(9))); }, "bool 9");
  expect_error([] { parse(with_entry("key", kArray, Bytes().put(kArray).put<uint64_t>(0).fill(9))); },
               "array of arrays");
  expect_error([] { parse(with_entry("", kU64, Bytes().fill(16))); }, "printable ASCII");
  expect_error([] { parse(with_entry("a\nb", kU32, Bytes().fill(9))); }, "a\\x0ab");
  expect_error([] { parse(with_entry(std::string(70000, 'k'), kU32, Bytes().fill(4))); }, "of 70000 bytes");
  std::string twice = header(0, 2).text("k").put(kU8).fill(1).text("k").put(kU8).fill(8).str();
  expect_error([&] { parse(twice); }, "k occurs twice");
}

TEST(GgufAttack, Alignment) {  // A11
  for (uint32_t alignment : {0u, 1u, 4u, 33u, 0xFFFFFFFFu})
    expect_error([&] { parse(with_entry("general.alignment", kU32, Bytes().put(alignment))); }, "power of two");
  expect_error([] { parse(with_entry("general.alignment", kU64, Bytes().put<uint64_t>(32))); }, "expected u32");
  Bytes far = header(1, 1).text("general.alignment").put(kU32).put(0x80000000u);
  put_record(far, {"t", {1}, 0, 0});
  expect_error([&] { parse(far.str()); }, "reaches past the end");
  Bytes near = header(1, 1).text("general.alignment").put(kU32).put(8u);
  put_record(near, {"t", {1}, 0, 0});
  near.pad(8).put(2.5f);
  EXPECT_EQ(parse(near.str()).get("t").f32()[0], 2.5f);
}

TEST(GgufAttack, TensorShapes) {  // A3, A9
  constexpr int64_t kHuge = int64_t{1} << 62;
  expect_error([] { parse(with_tensors({{"t", {1, 1, 1, 1, 1}, 0, 0}}, 64)); }, "5 dimensions");
  expect_error([] { parse(with_tensors({{"t", {-1}, 0, 0}}, 64)); }, "dimension 0 is -1");
  expect_error([] { parse(with_tensors({{"t", {kHuge, 4}, 0, 0}}, 64)); }, "too large");
  expect_error([] { parse(with_tensors({{"t", {kHuge, kHuge, 0}, 0, 0}}, 64)); }, "too large");
  expect_error([] { parse(with_tensors({{"t", {0, kHuge, kHuge}, 0, 0}}, 64)); }, "too large");
  expect_error([] { parse(with_tensors({{"t", {kHuge}, 0, 0}}, 64)); }, "too large");
  expect_error(
      [] {
        parse(with_tensors({{"t", {int64_t{1} << 33, int64_t{1} << 29, 1, 1}, 28, 0}}, 64));
      },
      "too large");
  expect_error([] { parse(with_tensors({{"t", {31}, 8, 0}}, 64)); }, "rows of 31 values; expected a multiple of 32");
  EXPECT_EQ(parse(with_tensors({{"t", {}, 0, 0}}, 4)).get("t").elements(), 1);
  std::string empty = with_tensors({{"t", {0, 5}, 0, 0}, {"u", {5, 0}, 0, 0}, {"v", {1}, 0, 0}}, 4);
  EXPECT_EQ(parse(empty).get("t").shape(), Shape({5, 0}));
  EXPECT_EQ(to_f32(parse(empty).get("u")).elements(), 0);
}

TEST(GgufAttack, TensorPlaces) {  // A2, A4
  expect_error([] { parse(with_tensors({{"t", {8}, 0, 0}}, 31)); }, "reaches past the end of the 31 bytes");
  expect_error([] { parse(with_tensors({{"t", {8}, 0, 32}}, 64)); }, "offset 32; expected 0");
  expect_error([] { parse(with_tensors({{"t", {8}, 0, 0}, {"u", {8}, 0, 0}}, 64)); }, "offset 0; expected 32");
  expect_error([] { parse(with_tensors({{"t", {8}, 0, 0}, {"u", {8}, 0, ~uint64_t{0} - 31}}, 64)); }, "expected 32");
  expect_error([] { parse(with_tensors({{"t", {8}, 0, 0}, {"t", {8}, 0, 32}}, 64)); }, "t occurs twice");
  // Five tensors of almost 2^62 bytes would wrap the running offset around to where the next one claims to be.
  constexpr int64_t kWide = (int64_t{1} << 60) - 8;
  std::vector<Record> wrap;
  for (uint64_t i = 0; i < 5; ++i) wrap.push_back({fmt::format("t{}", i), {kWide}, 0, i * (4 * kWide)});
  expect_error([&] { parse(with_tensors(wrap, 64)); }, "reaches past the end");
  expect_error([] { parse(with_tensors({{"", {8}, 0, 0}}, 64)); }, "printable ASCII");
  expect_error([] { parse(with_tensors({{std::string(256, 'n'), {8}, 0, 0}}, 64)); }, "of 256 bytes");
}

TEST(Gguf, RecognisedTypesAreListedAndRefusedWhenUsed) {
  std::string bytes = with_tensors({{"t", {256, 3}, 17, 0}}, 3 * 74);
  GgufFile file = parse(bytes);
  EXPECT_EQ(file.tensors()[0].type.name, "IQ2_XS");
  EXPECT_EQ(file.tensors()[0].n_bytes, 3u * 74);
  expect_error([&] { file.get("t"); }, "t has type IQ2_XS, which is not supported");
  EXPECT_EQ(parse(with_tensors({{"t", {256}, 12, 0}}, 144)).tensors()[0].type.name, "Q4_K");
  expect_error([] { parse(with_tensors({{"t", {32}, 4, 0}}, 64)); }, "type Q4_2, which was removed");
  expect_error([] { parse(with_tensors({{"t", {32}, 31, 0}}, 64)); }, "requantise the model as Q4_0");
  expect_error([] { parse(with_tensors({{"t", {32}, 133, 0}}, 64)); }, "written by ik_llama.cpp, type 133");
  expect_error([] { parse(with_tensors({{"t", {32}, 43, 0}}, 64)); }, "unknown type 43");
  expect_error([] { parse(with_tensors({{"t", {32}, 1000, 0}}, 64)); }, "unknown type 1000");  // our own u8
}

// A seed that is refused at its first field teaches a fuzzer nothing.
TEST(Gguf, FuzzSeedsAreValid) {
  int count = 0;
  for (const auto& item : std::filesystem::directory_iterator(GALAGO_SOURCE_DIR "/tests/fuzz/corpus/gguf")) {
    SCOPED_TRACE(item.path().string());
    EXPECT_NO_THROW(GgufFile::open(item.path().string()));
    ++count;
  }
  EXPECT_GE(count, 4);
}

TEST(Gguf, RealVocabularies) {
  std::filesystem::path folder = GALAGO_SOURCE_DIR "/../shared/data/tokenizers/vocab";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no vocabulary files in " << folder;
  int count = 0;
  for (const auto& item : std::filesystem::directory_iterator(folder)) {
    if (item.path().extension() != ".gguf") continue;
    SCOPED_TRACE(item.path().string());
    ++count;
    GgufFile file = GgufFile::open(item.path().string());
    auto tokens = file.get_strings("tokenizer.ggml.tokens");
    EXPECT_GT(tokens.size(), 1000u);
    EXPECT_EQ(file.get_i32s("tokenizer.ggml.token_type").size(), tokens.size());
    EXPECT_FALSE(file.get_string("general.architecture").empty());
    const GgufEntry& last = file.entries().back();
    auto map = MappedFile::open(item.path().string());
    EXPECT_TRUE(file.names().empty());
    // The last value ends where the file ends: nothing is left over.
    std::string_view tail(reinterpret_cast<const char*>(map->bytes().data()) + map->bytes().size() - last.bytes.size(),
                          last.bytes.size());
    EXPECT_EQ(tail, std::string_view(reinterpret_cast<const char*>(last.bytes.data()), last.bytes.size()));
  }
  EXPECT_GT(count, 0);
}

}  // namespace
}  // namespace galago
