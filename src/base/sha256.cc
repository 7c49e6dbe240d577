#include "base/sha256.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace galago {
namespace {

// The first 32 bits of the fractional parts of the cube roots of the first 64 primes: FIPS 180-4 defines them so.
std::array<uint32_t, 64> round_constants() {
  std::array<uint32_t, 64> roots{};
  size_t found = 0;
  for (int n = 2; found < roots.size(); ++n) {
    bool prime = true;
    for (int d = 2; d * d <= n; ++d) prime = prime && n % d != 0;
    if (!prime) continue;
    long double root = std::cbrt(static_cast<long double>(n));
    roots[found++] = static_cast<uint32_t>((root - std::floor(root)) * 4294967296.0L);
  }
  return roots;
}

}  // namespace

Sha256& Sha256::add(const void* data, size_t n_bytes) {
  auto* from = static_cast<const uint8_t*>(data);
  size_t held = n_bytes_ % 64;
  n_bytes_ += n_bytes;
  if (held > 0) {
    size_t n = std::min(n_bytes, 64 - held);
    std::memcpy(held_ + held, from, n);
    from += n, n_bytes -= n, held += n;
    if (held < 64) return *this;
    add_block(held_);
  }
  for (; n_bytes >= 64; from += 64, n_bytes -= 64) add_block(from);
  if (n_bytes > 0) std::memcpy(held_, from, n_bytes);
  return *this;
}

Sha256& Sha256::add(std::string_view text) { return add_value(uint64_t{text.size()}).add(text.data(), text.size()); }

// A one bit, zeros, and the length in bits as a big-endian u64, up to a multiple of 64 bytes.
Digest Sha256::finish() {
  const uint64_t n_bits = n_bytes_ * 8;
  uint8_t tail[72] = {0x80};
  const size_t zeros = (119 - n_bytes_ % 64) % 64 + 1;  // with the one bit
  for (size_t i = 0; i < 8; ++i) tail[zeros + i] = static_cast<uint8_t>(n_bits >> (56 - 8 * i));
  add(tail, zeros + 8);
  Digest digest;
  for (size_t i = 0; i < 32; ++i) digest[i] = static_cast<uint8_t>(state_[i / 4] >> (24 - i % 4 * 8));
  return digest;
}

void Sha256::add_block(const uint8_t* block) {
  static const std::array<uint32_t, 64> k = round_constants();
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
  for (size_t i = 0; i < 64; ++i) {
    uint32_t choice = (e & f) ^ (~e & g), majority = (a & b) ^ (a & c) ^ (b & c);
    uint32_t t1 = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + choice + k[i] + w[i];
    uint32_t t2 = (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + majority;
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  const uint32_t add[8] = {a, b, c, d, e, f, g, h};
  for (size_t i = 0; i < 8; ++i) state_[i] += add[i];
}

std::string to_hex(const Digest& digest) {
  std::string text;
  for (uint8_t byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::string Sha256::hex(const void* data, size_t n_bytes) { return to_hex(Sha256().add(data, n_bytes).finish()); }

}  // namespace galago
