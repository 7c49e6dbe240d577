// Reads fields of a config.json with range checks; every error names the field, what was found and what was expected.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"

namespace galago {

// Limits from formats.md section 1: nothing from a file becomes a size before it is range-checked.
inline constexpr int64_t kMaxWidth = 1 << 20, kMaxLayers = 512, kMaxHeads = 4096, kMaxVocab = 4 << 20,
                         kMaxImageSide = 16384, kMaxContext = 1 << 24;

// Orders of rows are listed for every block of packed matrices: blocks times width. The largest published: 2 million.
inline constexpr int64_t kMaxRows = 1 << 22;

std::string model_type(const Json& config);  // empty where config.json has no such text

class ConfigReader {
 public:
  ConfigReader(const Json& config, std::string subject);
  int integer(const char* field, int64_t low, int64_t high, std::optional<int64_t> fallback = {}) const;
  float number(const char* field, double low, double high, std::optional<double> fallback = {}) const;
  bool boolean(const char* field, bool fallback) const;
  std::string text(const char* field, std::optional<std::string> fallback = {}) const;
  bool has(const char* field) const;

 private:
  const Json* find(const char* field, bool required) const;
  const Json& config_;
  std::string subject_;
};

}  // namespace galago
