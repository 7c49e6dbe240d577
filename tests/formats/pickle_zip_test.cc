#include <gtest/gtest.h>
#include <zlib.h>

#include "formats/pickle.h"
#include "formats/zip.h"
#include "tests/formats/bytes.h"
#include "tests/support/temporary_folder.h"

namespace galago {
namespace {

using testing::as_bytes;
using testing::Bytes;
using testing::expect_error;
using testing::TemporaryFolder;
using Kind = PickleValue::Kind;
using namespace std::string_literals;

Pickle parse(const std::string& bytes) { return Pickle::parse(as_bytes(bytes), "test.pkl"); }

TEST(Pickle, Values) {
  struct {
    std::string bytes;
    Kind kind;
    int64_t integer;
  } const cases[] = {
      {"N.", Kind::None, 0},
      {"\x88.", Kind::Bool, 1},
      {"\x89.", Kind::Bool, 0},
      {"K\xFF.", Kind::Int, 255},
      {"M\xFF\xFF.", Kind::Int, 65535},
      {"J\xFE\xFF\xFF\xFF.", Kind::Int, -2},
      {"\x8A\x01\x80.", Kind::Int, -128},
      {"\x8A\0."s, Kind::Int, 0},
      {"\x8A\x02\x00\x01."s, Kind::Int, 256},
      {"\x8B\x01\0\0\0\x05."s, Kind::Int, 5},
      {"(K\x01K\x02t.", Kind::Tuple, 0},
      {"]K\x01"
       "a.",
       Kind::List, 0},
      {"c__main__\nX\n.", Kind::Global, 0},
      {"c__main__\nX\n)R.", Kind::Call, 0},
      {"K\x01Q.", Kind::Persistent, 0},
      {"c__builtin__\nset\n]\x85R.", Kind::Set, 0},
      {"ccollections\nOrderedDict\n)R.", Kind::Dict, 0},
      {"\x8F(K\x01\x90.", Kind::Set, 0},
      {"(K\x01\x91.", Kind::Set, 0},
      {"K\x07"
       "2"
       "0.",
       Kind::Int, 7},
      {"K\x05(K\x01"
       "1.",
       Kind::Int, 5},
      {"K\x05(0.", Kind::Int, 5},
  };
  for (const auto& c : cases) {
    std::string bytes = "\x80\x02" + c.bytes;
    Pickle pickle = parse(bytes);
    const PickleValue& root = pickle.at(pickle.root());
    EXPECT_EQ(root.kind, c.kind) << ::testing::PrintToString(c.bytes);
    EXPECT_EQ(root.integer, c.integer) << ::testing::PrintToString(c.bytes);
    EXPECT_EQ(pickle.n_bytes(), bytes.size());
  }
  Pickle real = parse("G\x3F\xE0\0\0\0\0\0\0."s);
  EXPECT_EQ(real.at(real.root()).number, 0.5);
}

TEST(Pickle, DictionariesFromCalls) {
  std::string bytes =
      "ccollections\nOrderedDict\n](\x8C\x01"
      "aK\x05\x86\x8C\x01"
      "bK\x06\x86"
      "e\x85R.";
  Pickle pickle = parse(bytes);
  const PickleValue& dict = pickle.at(pickle.root());
  ASSERT_NE(pickle.find(dict, "b"), nullptr);
  EXPECT_EQ(pickle.find(dict, "b")->integer, 6);
  EXPECT_EQ(pickle.find(dict, "c"), nullptr);
}

TEST(Pickle, UnknownObjectsTakeWhatTheyAreGiven) {
  std::string bytes =
      "cargparse\nNamespace\n)\x81}b\x8C\x01"
      "aK\x01sK\x02"
      "a.";
  Pickle pickle = parse(bytes);
  EXPECT_EQ(pickle.at(pickle.root()).kind, Kind::Call);
  EXPECT_EQ(pickle.at(pickle.root()).text, "argparse.Namespace");
}

TEST(PickleAttack, Malformed) {
  const std::pair<std::string, const char*> cases[] = {
      {"", "file ends too early"},
      {"K\x01", "file ends too early"},
      {".", "the stack is empty"},
      {"0.", "the stack is empty"},
      {"t.", "no mark on the stack"},
      {"(0t.", "no mark on the stack"},
      {"K\x01(\x85.", "the stack is empty"},  // reaches below a mark
      {"h\x05.", "memo 5 was never set"},
      {"j\xFF\xFF\xFF\xFF.", "memo 4294967295 was never set"},
      {"q\x01.", "the stack is empty"},
      {"X\xFF\xFF\xFF\xFF"
       "abc.",
       "file ends too early"},
      {"\x8E\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
       "abc.",
       "file ends too early"},
      {"\x8B\xFF\xFF\xFF\xFF.", "file ends too early"},
      {"}(K\x01u.", "a key without a value"},
      {"}K\x01"
       "a.",
       "no container for this"},
      {"]K\x01K\x02s.", "no container for this"},
      {"K\x01K\x02"
       "a.",
       "no container for this"},
      {"cabc", "file ends too early"},
      {"c" + std::string(5000, 'x') + "\nx\n.", "more than 4096 bytes"},
      {"cx\ny\nK\x01R.", "the arguments are no tuple"},
      {"K\x01K\x02\x93.", "name is no text"},
      {"ccollections\nOrderedDict\n]K\x01"
       "a\x85R.",
       "holds no pairs"},
      {"\x80\x06.", "protocol 6; expected 2 to 5"},
      {"\x80\x01.", "protocol 1; expected 2 to 5"},
  };
  for (const auto& [bytes, message] : cases) {
    SCOPED_TRACE(::testing::PrintToString(bytes));
    expect_error([&, &file = bytes] { parse(file); }, message);
  }
  for (char opcode : "ioPpI\x82\x83\x84\x96\x97\x98"s)
    expect_error([&] { parse(std::string(1, opcode) + "."); }, "an opcode that no model file needs");
}

TEST(PickleAttack, HostileNames) {  // A15
  for (const char* name : {"os\nsystem", "posix\nsystem", "nt\nsystem", "subprocess\nPopen", "sys\nexit",
                           "builtins\neval", "__builtin__\nexec", "builtins\n__import__", "builtins\ngetattr",
                           "runpy\nrun_path", "socket\nsocket", "os.path\njoin", "importlib\nimport_module"})
    expect_error([&] { parse(fmt::format("c{}\n.", name)); }, "refused: it asks to call");
  expect_error([] { parse("\x8C\x02os\x8C\x06system\x93."); }, "refused: it asks to call os.system");
}

TEST(PickleAttack, CopiesAreLimited) {
  // One list of 2^16 pairs, made into a dictionary again and again: 2^33 elements if nothing stopped it.
  std::string bytes =
      "ccollections\nOrderedDict\nq\x01"
      "0](";
  bytes += "NN\x86q\x02";
  for (int i = 1; i < (1 << 16); ++i) bytes += "h\x02";
  bytes +=
      "e\x85q\x03"
      "0";
  for (int i = 0; i < (1 << 16); ++i) bytes += "h\x01h\x03R0";
  expect_error([&] { parse(bytes + "N."); }, "16 Mi elements");
  expect_error([&] { parse(std::string(5 << 20, '}')); }, "more than 4 Mi values");
  expect_error([&] { parse("N" + std::string(5 << 20, '2')); }, "the stack is too deep");
  expect_error([&] { parse(std::string(5 << 20, '(')); }, "too many marks");
}

// Zip files. The first entry begins at byte 0, its data at 64.

std::string zip_of(std::initializer_list<std::pair<std::string_view, std::string_view>> entries) {
  TemporaryFolder folder;
  ZipWriter writer(folder.file("a.zip"));
  for (const auto& [name, content] : entries) writer.add(name, std::as_bytes(std::span(content)));
  writer.finish();
  return read_file(folder.file("a.zip"));
}

ZipFile parse_zip(const std::string& bytes) { return ZipFile::parse(as_bytes(bytes), "test.zip"); }

template <class T>
std::string with(std::string bytes, size_t at, T value) {
  return bytes.replace(at, sizeof value, reinterpret_cast<const char*>(&value), sizeof value);
}

TEST(Zip, WhatIsWrittenIsRead) {
  std::string bytes = zip_of({{"a/one", "hello"}, {"a/two", ""}, {"a/three", std::string(100, 'x')}});
  ZipFile zip = parse_zip(bytes);
  ASSERT_EQ(zip.entries().size(), 3u);
  for (const ZipEntry& entry : zip.entries())
    EXPECT_EQ((reinterpret_cast<const char*>(entry.bytes.data()) - bytes.data()) % 64, 0);
  EXPECT_EQ(zip.read("a/one", true).size(), 5u);
  EXPECT_EQ(zip.read("a/three", true).size(), 100u);
  expect_error([&] { zip.read("a/four", false); }, "no entry a/four");
}

TEST(ZipAttack, Directory) {  // A19
  const std::string good = zip_of({{"a", "hello"}, {"b", "world"}});
  const size_t end = good.size() - 22, end64 = end - 20 - 56;
  const size_t first = good.find("PK\x01\x02"), second = good.find("PK\x01\x02", first + 1);
  const std::pair<std::string, const char*> cases[] = {
      {good.substr(0, good.size() - 1), "no end record"},
      {good + "x", "no end record"},
      {good.substr(0, 10), "no end record"},
      {with(good, end64, 0), "the Zip64 end record is not at"},
      {with(good, end - 20 + 8, ~uint64_t{0}), "the Zip64 end record is not at"},
      {with(good, end64 + 32, ~uint64_t{0}), "18446744073709551615 zip entries"},
      {with(good, end64 + 32, uint64_t{3}), "3 zip entries in a directory of"},
      {with(good, end64 + 40, ~uint64_t{0}), "lies outside the file"},
      {with(good, end64 + 48, ~uint64_t{0}), "lies outside the file"},
      {with(good, first, 0), "something else than an entry"},
      {with(good, first + 28, uint16_t{0xFFFF}), "file ends too early"},
      {with(good, first + 42, uint32_t{1}), "is not at byte 1"},
      {with(good, first + 42, uint32_t{0xFFFFFFF0}), "is not at byte"},
      {with(good, first + 42, uint32_t{0xFFFFFFFF}), "lacks its Zip64 sizes"},
      {with(with(good, first + 20, uint32_t{1 << 20}), first + 24, uint32_t{1 << 20}), "reaches past the end"},
      {with(good, first + 24, uint32_t{4}), "5 bytes hold 4"},
      {with(with(good, first + 20, uint32_t{50}), first + 24, uint32_t{50}), "two zip entries overlap"},
      {with(good, second + 42, uint32_t{0}), "two zip entries overlap"},
      {with(good, second + 46, 'a'), "occurs twice"},
      {with(good, 28, uint16_t{0xFFFF}), "reaches past the end"},
  };
  for (const auto& [bytes, message] : cases) {
    SCOPED_TRACE(message);
    expect_error([&, &file = bytes] { parse_zip(file); }, message);
  }
}

TEST(ZipAttack, Content) {
  const std::string good = zip_of({{"a", "hello"}});
  const size_t first = good.find("PK\x01\x02");
  std::string damaged = with(good, 64, 'j');
  EXPECT_NO_THROW(parse_zip(damaged).read("a", false));
  expect_error([&] { parse_zip(damaged).read("a", true); }, "checksum is wrong");
  std::string deflated = with(good, first + 10, uint16_t{8});
  expect_error([&] { parse_zip(deflated).read("a", false); }, "is compressed");
  std::string encrypted = with(good, first + 8, uint16_t{0x0809});
  expect_error([&] { parse_zip(encrypted).read("a", false); }, "is compressed");
}

// A size that does not fit 32 bits is in the extra field; here a small one is put there.
TEST(Zip, Zip64Sizes) {
  std::string content = "hello";
  auto crc = static_cast<uint32_t>(crc32(0, reinterpret_cast<const Bytef*>(content.data()), 5));
  Bytes file;
  file.raw("PK\x03\x04").fill(22).put<uint16_t>(1).put<uint16_t>(0).raw("a").raw(content);
  size_t directory = file.str().size();
  file.raw("PK\x01\x02")
      .fill(12)
      .put(crc)
      .put(~0u)
      .put(~0u)
      .put<uint16_t>(1)
      .put<uint16_t>(35)
      .fill(8)
      .fill(2)
      .put(~0u);
  file.raw("a").put<uint16_t>(0x5555).put<uint16_t>(3).fill(3).put<uint16_t>(1).put<uint16_t>(24);
  file.put<uint64_t>(5).put<uint64_t>(5).put<uint64_t>(0);
  size_t end = file.str().size();
  file.raw("PK\x05\x06").fill(4).put<uint16_t>(1).put<uint16_t>(1).put<uint32_t>(end - directory);
  file.put<uint32_t>(directory).put<uint16_t>(0);
  EXPECT_EQ(parse_zip(file.str()).read("a", true).size(), 5u);
}

}  // namespace
}  // namespace galago
