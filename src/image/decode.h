// Between decode_image() and the five decoders. Each decoder reads its header, calls check_size(), and only then
// allocates.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "image/bytes.h"
#include "image/image.h"

namespace galago {

struct DecodeJob {
  Bytes bytes;
  const std::string& subject;
  const DecodeLimits& limits;
  std::string_view format;
};

// The RGB and the stored size; the caller adds format and orientation.
Image decode_jpeg(const DecodeJob& job);
Image decode_png(const DecodeJob& job);
Image decode_webp(const DecodeJob& job);
Image decode_gif(const DecodeJob& job);
Image decode_bmp(const DecodeJob& job);

// Throws InvalidInput if the size of the header is zero or beyond the limits.
void check_size(const DecodeJob& job, uint64_t width, uint64_t height);

// `reason` of a library, or that the data ended early, as an Error to throw.
[[nodiscard]] Error broken_data(const DecodeJob& job, std::string_view reason);
[[nodiscard]] Error ends_early(const DecodeJob& job);

}  // namespace galago
