// SHA-256 (FIPS 180-4), to compare long results with published digests in tests.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace galago::testing {

class Sha256 {
 public:
  static std::string hex(const void* data, size_t n_bytes) {
    Sha256 hash;
    std::string padded = pad(std::string_view(static_cast<const char*>(data), n_bytes));
    for (size_t at = 0; at < padded.size(); at += 64) hash.add_block(reinterpret_cast<const uint8_t*>(&padded[at]));
    std::string text;
    for (uint32_t word : hash.state_)
      for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[(word >> shift) & 15];
    return text;
  }

 private:
  // A one bit, zeros, and the length in bits as a big-endian u64, up to a multiple of 64 bytes.
  static std::string pad(std::string_view data) {
    std::string padded(data);
    padded += '\x80';
    while (padded.size() % 64 != 56) padded += '\0';
    for (int shift = 56; shift >= 0; shift -= 8) padded += static_cast<char>((data.size() * 8) >> shift);
    return padded;
  }

  // The first 32 bits of the fractional part of a root of a prime; the standard defines its constants so.
  static std::vector<uint32_t> prime_roots(int count, bool cube) {
    std::vector<uint32_t> roots;
    for (int n = 2; static_cast<int>(roots.size()) < count; ++n) {
      bool prime = true;
      for (int d = 2; d * d <= n; ++d) prime = prime && n % d != 0;
      if (!prime) continue;
      long double root = cube ? std::cbrt(static_cast<long double>(n)) : std::sqrt(static_cast<long double>(n));
      roots.push_back(static_cast<uint32_t>((root - std::floor(root)) * 4294967296.0L));
    }
    return roots;
  }

  void add_block(const uint8_t* block) {
    static const std::vector<uint32_t> k = prime_roots(64, true);
    uint32_t w[64];
    for (int i = 0; i < 16; ++i)
      w[i] = uint32_t{block[4 * i]} << 24 | uint32_t{block[4 * i + 1]} << 16 | uint32_t{block[4 * i + 2]} << 8 |
             block[4 * i + 3];
    for (int i = 16; i < 64; ++i) {
      uint32_t a = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
      uint32_t b = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
      w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    auto [a, b, c, d, e, f, g, h] = state_;
    for (int i = 0; i < 64; ++i) {
      uint32_t choice = (e & f) ^ (~e & g), majority = (a & b) ^ (a & c) ^ (b & c);
      uint32_t t1 = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + choice + k[i] + w[i];
      uint32_t t2 = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + majority;
      h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    uint32_t add[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; ++i) state_[i] += add[i];
  }

  static std::array<uint32_t, 8> initial() {
    std::array<uint32_t, 8> state;
    std::vector<uint32_t> roots = prime_roots(8, false);
    std::copy(roots.begin(), roots.end(), state.begin());
    return state;
  }
  std::array<uint32_t, 8> state_ = initial();
};

}  // namespace galago::testing
