// JSON from files that are not trusted.
#include "base/json.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"

namespace galago {
namespace {

std::string error_of(std::string_view text, bool unique_keys = false) {
  try {
    parse_json(text, "config.json", unique_keys);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::InvalidInput);
    return e.what();
  }
  return "";
}

std::string nested(int levels) { return std::string(levels, '[') + std::string(levels, ']'); }

TEST(Json, ParsesAndSkipsAByteOrderMark) {
  EXPECT_EQ(parse_json("\xEF\xBB\xBF{\"a\": [1, 2.5, \"\\u00e9\"]}", "x"), (Json{{"a", {1, 2.5, "é"}}}));
}

TEST(Json, DepthIsLimitedTo64) {
  EXPECT_EQ(error_of(nested(64)), "");
  EXPECT_EQ(error_of(nested(65)), "config.json: JSON is nested deeper than 64 levels");
  EXPECT_EQ(error_of(nested(100000)), "config.json: JSON is nested deeper than 64 levels");
  EXPECT_NE(error_of(std::string(100000, '[')), "");
  std::string objects;
  for (int i = 0; i < 70; ++i) objects += "{\"a\":";
  EXPECT_EQ(error_of(objects), "config.json: JSON is nested deeper than 64 levels");
}

TEST(Json, RepeatedKeysOnRequest) {
  EXPECT_EQ(parse_json(R"({"a": 1, "a": 2})", "x"), (Json{{"a", 2}}));
  EXPECT_EQ(error_of(R"({"a": 1, "a": 2})", true), "config.json: JSON key \"a\" occurs twice");
  EXPECT_EQ(error_of(R"({"a": {"b": 1}, "c": {"b": 1}})", true), "");  // the same key in different objects
  EXPECT_EQ(error_of(R"([{"a": {"b": 1, "a": 2}}, {"a": 1}])", true), "");
  EXPECT_NE(error_of(R"({"a": {"b": 1}, "\u0061": 2})", true), "");  // the same key, spelt differently
}

TEST(Json, SyntaxErrorsNameTheFile) {
  for (const char* bad : {"", " ", "{", "}", "[1,]", "{\"a\":}", "nul", "1 2", "\"\xFF\"", "\"\\ud800\"", "NaN", "'a'"})
    EXPECT_TRUE(error_of(bad).starts_with("config.json: not valid JSON: ")) << bad << ": " << error_of(bad);
}

TEST(Json, ErrorsDoNotRepeatTheWholeFile) { EXPECT_LT(error_of("{\"key\": " + std::string(100000, 'x')).size(), 500u); }

TEST(Json, ReadJsonHasALimit) {
  std::string path = ::testing::TempDir() + "galago-json-test.json";
  write_file(path, "[1, 2, 3]");
  EXPECT_EQ(read_json(path), Json({1, 2, 3}));
  EXPECT_THROW(read_json(path, 8), Error);
  std::remove(path.c_str());
}

}  // namespace
}  // namespace galago
