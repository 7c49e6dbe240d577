// Crafted files for the tests of readers: bytes appended one field after the other.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/file.h"

namespace galago::testing {

class Bytes {
 public:
  template <class T>
  Bytes& put(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Bytes& raw(std::string_view text) {
    text_ += text;
    return *this;
  }
  Bytes& text(std::string_view text) { return put<uint64_t>(text.size()).raw(text); }
  Bytes& fill(size_t n, char byte = 0) {
    text_.append(n, byte);
    return *this;
  }
  Bytes& pad(size_t alignment = 32) { return fill((alignment - text_.size() % alignment) % alignment); }
  const std::string& str() const { return text_; }

 private:
  std::string text_;
};

inline std::span<const std::byte> as_bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

// Expects an Error whose sentence contains `part`.
template <class Function>
void expect_error(Function&& function, std::string_view part) {
  try {
    function();
    ADD_FAILURE() << "no error; expected one with: " << part;
  } catch (const Error& e) {
    EXPECT_NE(std::string_view(e.what()).find(part), std::string_view::npos) << e.what() << "\nexpected: " << part;
  }
}

}  // namespace galago::testing
