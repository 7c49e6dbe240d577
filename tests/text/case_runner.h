// Runs the published tokenizer cases (texts with expected ids) against one tokenizer. Used by tests/text and
// tests/formats.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "text/streaming_decoder.h"
#include "text/tokenizer.h"

namespace galago::testing {

inline std::string tokenizer_data(const std::string& name) {
  return std::string(GALAGO_SOURCE_DIR "/../shared/data/tokenizers/") + name;
}

inline std::vector<Json> read_json_lines(const std::string& path) {
  std::ifstream file(path);
  std::vector<Json> rows;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty()) rows.push_back(parse_json(line, path));
  }
  return rows;
}

// Every text of cases.jsonl that has ids under `name`, and every text of special.jsonl for `name` (with special
// tokens).
inline void run_tokenizer_cases(const Tokenizer& tokenizer, const std::string& name, bool with_special = true) {
  std::unordered_map<std::string, std::string> texts;
  for (const Json& row : read_json_lines(tokenizer_data("cases.jsonl"))) texts[row.at("id")] = row.at("text");
  int n_cases = 0, n_passed = 0;
  auto check = [&](const std::string& id, const std::string& text, const Json& ids, bool parse_special) {
    auto wanted = ids.get<std::vector<int32_t>>();
    auto found = tokenizer.encode(text, {.parse_special = parse_special});
    EXPECT_EQ(found, wanted) << name << " case " << id << ": " << text;
    ++n_cases, n_passed += found == wanted;
  };
  for (const Json& row : read_json_lines(tokenizer_data("expected/" + name + ".jsonl"))) {
    check(row.at("id"), texts.at(row.at("id")), row.at("ids"), false);
  }
  for (const Json& row : read_json_lines(tokenizer_data("special.jsonl"))) {
    if (with_special && row.at("tokenizer") == name) check(row.at("id"), row.at("text"), row.at("ids"), true);
  }
  std::printf("%s: %d of %d cases\n", name.c_str(), n_passed, n_cases);
  EXPECT_GE(n_cases, 30) << name;
}

// decode(encode(text)) is the text of every case, also through a StreamingDecoder. Normalisation may change a text
// once, never twice; the texts it changes are at most `n_changed`.
inline void run_decode_cases(const Tokenizer& tokenizer, const std::string& name, int n_changed = 0) {
  for (const Json& row : read_json_lines(tokenizer_data("cases.jsonl"))) {
    std::string text = row.at("text");
    auto ids = tokenizer.encode(text);
    std::string again = tokenizer.decode(ids);
    if (again != text && --n_changed >= 0) text = tokenizer.decode(tokenizer.encode(again));
    EXPECT_EQ(again, text) << name << " case " << row.at("id");
    StreamingDecoder stream(tokenizer, false);
    std::string streamed;
    for (int32_t id : ids) streamed += stream.push(id);
    EXPECT_EQ(streamed + stream.finish(), replace_invalid_utf8(again)) << name << " case " << row.at("id");
  }
}

}  // namespace galago::testing
