// Errors. What a user, a file or a request can cause is an `Error` with a sentence: subject, what was found, what was
// expected, what to do. It is thrown where it is found and caught at the edges only (main, the HTTP handler, the C API).
// What only a programmer can cause is a CHECK, which aborts.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace galago {

enum class ErrorKind { InvalidInput, NotFound, Io, Unsupported, Usage, Cancelled };

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

// Each returns the Error to throw: `throw invalid_input("{}: no tensor {}", path, name);`
#define GALAGO_ERROR_FACTORY(function, error_kind)                                          \
  template <class... Args>                                                                  \
  [[nodiscard]] Error function(fmt::format_string<Args...> format, Args&&... args) {        \
    return Error(ErrorKind::error_kind, fmt::format(format, std::forward<Args>(args)...));  \
  }
GALAGO_ERROR_FACTORY(invalid_input, InvalidInput)
GALAGO_ERROR_FACTORY(not_found, NotFound)
GALAGO_ERROR_FACTORY(io_error, Io)
GALAGO_ERROR_FACTORY(unsupported, Unsupported)
GALAGO_ERROR_FACTORY(usage_error, Usage)
GALAGO_ERROR_FACTORY(cancelled, Cancelled)
#undef GALAGO_ERROR_FACTORY

// Prints the message with its place to stderr and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* condition, const std::string& message);

}  // namespace galago

// CHECK(condition) or CHECK(condition, "format {}", value): aborts when a programmer's promise is broken.
#define CHECK(condition, ...)                                                                            \
  do {                                                                                                   \
    if (!(condition)) [[unlikely]]                                                                       \
      ::galago::check_failed(__FILE__, __LINE__, #condition, ::fmt::format("" __VA_ARGS__));             \
  } while (false)
