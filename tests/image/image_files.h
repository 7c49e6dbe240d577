// The shared set of pictures with known facts (its README says how they were computed), and small helpers.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/json.h"
#include "image/image.h"

namespace galago {

inline const std::string kImageDir = GALAGO_SOURCE_DIR "/../shared/data/images/";

// One JSON object a line; empty if the set is not there.
inline std::vector<Json> read_rows(const std::string& path) {
  std::vector<Json> rows;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (!line.empty()) rows.push_back(Json::parse(line));
  return rows;
}

inline uint32_t crc_of(const Image& image) {
  return static_cast<uint32_t>(crc32_z(0, image.rgb.data(), image.rgb.size()));
}

inline uint32_t expected_crc(const Json& row) {
  return static_cast<uint32_t>(std::stoul(row["rgb_crc32"].get<std::string>(), nullptr, 16));
}

// The picture of the published checks: (3 x + 5 y + 70 c + floor(x y / 7)) mod 256.
inline Image make_formula_image(int width, int height) {
  Image image = make_image(width, height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) image.pixel(x, y)[c] = static_cast<uint8_t>(3 * x + 5 * y + 70 * c + x * y / 7);
  return image;
}

}  // namespace galago

#define SKIP_WITHOUT(rows) \
  if (rows.empty()) GTEST_SKIP() << "the shared picture set is not beside the source tree: " << galago::kImageDir
