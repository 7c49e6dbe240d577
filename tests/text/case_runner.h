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
inline void run_tokenizer_cases(const Tokenizer& tokenizer, const std::string& name) {
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
    if (row.at("tokenizer") == name) check(row.at("id"), row.at("text"), row.at("ids"), true);
  }
  std::printf("%s: %d of %d cases\n", name.c_str(), n_passed, n_cases);
  EXPECT_GE(n_cases, 40) << name;
}

}  // namespace galago::testing
