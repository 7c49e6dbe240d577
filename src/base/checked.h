// Size arithmetic that cannot wrap around. Readers of files use these and nothing else (formats.md, section 1).
#pragma once

#include <cstdint>
#include <optional>

namespace galago {

inline std::optional<uint64_t> checked_add(uint64_t a, uint64_t b) {
  uint64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? std::nullopt : std::optional(sum);
}

inline std::optional<uint64_t> checked_mul(uint64_t a, uint64_t b) {
  uint64_t product;
  return __builtin_mul_overflow(a, b, &product) ? std::nullopt : std::optional(product);
}

// Rounds up to a multiple of `alignment`, a power of two.
inline std::optional<uint64_t> checked_align_up(uint64_t value, uint64_t alignment) {
  auto padded = checked_add(value, alignment - 1);
  return padded ? std::optional(*padded & ~(alignment - 1)) : std::nullopt;
}

}  // namespace galago
