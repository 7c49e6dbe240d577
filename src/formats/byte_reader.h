// Reads little-endian fields one after the other from bytes that are not trusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace galago {

class ByteReader {
 public:
  // `subject` names the file in errors. Bytes and subject must outlive the reader.
  ByteReader(std::span<const std::byte> bytes, const std::string& subject) : bytes_(bytes), subject_(subject) {}

  uint64_t position() const { return position_; }
  uint64_t remaining() const { return bytes_.size() - position_; }

  std::span<const std::byte> take(uint64_t n_bytes, std::string_view what) {
    if (n_bytes > remaining())
      throw invalid_input("{}: file ends too early: {} at byte {} needs {} bytes, {} are left; download it again",
                          subject_, what, position_, n_bytes, remaining());
    auto taken = bytes_.subspan(position_, n_bytes);
    position_ += n_bytes;
    return taken;
  }

  template <class T>
  T read(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  // u64 length, then the bytes.
  std::string_view read_string(std::string_view what) {
    auto n_bytes = read<uint64_t>(what);
    auto taken = take(n_bytes, what);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& subject_;
  uint64_t position_ = 0;
};

}  // namespace galago
