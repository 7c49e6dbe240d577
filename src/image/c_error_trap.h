// libjpeg and libpng report errors by a callback that must not return. It longjmps back to call_c(), from where C++ can
// throw. What runs inside call_c() must own nothing: no object with a destructor may live between the two jumps.
#pragma once

#include <csetjmp>
#include <cstdio>

namespace galago {

struct CErrorTrap {
  std::jmp_buf jump;
  bool ended_early = false;  // the data stopped before the picture was complete
  char message[256] = "";

  [[noreturn]] void fail(const char* text) {
    std::snprintf(message, sizeof message, "%s", text);
    std::longjmp(jump, 1);
  }
};

// False if the library reported an error; the trap then holds its message.
template <class Body>
bool call_c(CErrorTrap& trap, const Body& body) {
  if (setjmp(trap.jump) != 0) return false;
  body();
  return true;
}

}  // namespace galago
