// Reading numbers out of bytes that are not trusted. has() comes first, the reads assume it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace galago {

using Bytes = std::span<const uint8_t>;

inline bool has(Bytes bytes, uint64_t offset, uint64_t n) {
  return offset <= bytes.size() && n <= bytes.size() - offset;
}

inline uint32_t le16(Bytes b, size_t at) { return b[at] | b[at + 1] << 8; }
inline uint32_t be16(Bytes b, size_t at) { return b[at] << 8 | b[at + 1]; }
inline uint32_t le32(Bytes b, size_t at) { return le16(b, at) | le16(b, at + 2) << 16; }
inline uint32_t be32(Bytes b, size_t at) { return be16(b, at) << 16 | be16(b, at + 2); }

// At most n bytes from offset on; empty beyond the end.
inline Bytes slice(Bytes bytes, uint64_t offset, uint64_t n = UINT64_MAX) {
  if (offset >= bytes.size()) return {};
  return bytes.subspan(offset, std::min<uint64_t>(n, bytes.size() - offset));
}

inline bool text_at(Bytes bytes, uint64_t offset, std::string_view text) {
  return has(bytes, offset, text.size()) && std::memcmp(bytes.data() + offset, text.data(), text.size()) == 0;
}

inline std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

}  // namespace galago
