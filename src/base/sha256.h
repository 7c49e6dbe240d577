// SHA-256 (FIPS 180-4): names what a cache holds by its content, and compares long results with published digests.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace galago {

using Digest = std::array<uint8_t, 32>;

// Bytes in pieces, then one digest. One thread.
class Sha256 {
 public:
  Sha256& add(const void* data, size_t n_bytes);
  Sha256& add(std::string_view text);  // with its length, so that texts one after another cannot be mistaken
  // A number or a plain struct without padding, as its bytes.
  template <class T>
  Sha256& add_value(const T& value) {
    return add(&value, sizeof value);
  }
  Digest finish();  // once

  static std::string hex(const void* data, size_t n_bytes);

 private:
  void add_block(const uint8_t* block);

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  uint64_t n_bytes_ = 0;
  uint8_t held_[64] = {};  // the beginning of a block
};

std::string to_hex(const Digest& digest);

}  // namespace galago
