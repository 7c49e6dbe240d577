// Pictures to bytes and files. PNG is exact; JPEG is for data sets, where size matters more. The facts of a picture are
// not written: turn it upright() first.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "image/image.h"

namespace galago {

std::vector<std::byte> encode_png(const Image& image);                // 8-bit RGB
std::vector<std::byte> encode_jpeg(const Image& image, int quality);  // 1..100 (CHECK); chroma 4:2:0
void write_png(const std::string& path, const Image& image);          // whole or not at all; throws Io

}  // namespace galago
