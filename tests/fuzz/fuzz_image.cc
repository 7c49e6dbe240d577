// libFuzzer: any bytes either decode or give a galago::Error; everything else is a bug.
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/error.h"
#include "image/image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr galago::DecodeLimits kLimits{.max_pixels = 1
                                                       << 20};  // the limits are tested elsewhere; here they cost time
  try {
    galago::Image image = galago::decode_image(std::as_bytes(std::span(data, size)), "fuzz", kLimits);
    galago::upright(std::move(image));
  } catch (const galago::Error&) {
  }
  return 0;
}
