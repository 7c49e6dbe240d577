// Wall-clock time between points of a program.
#pragma once

#include <chrono>

namespace galago {

class Stopwatch {
 public:
  double elapsed_ms() const { return std::chrono::duration<double, std::milli>(Clock::now() - start_).count(); }
  double lap_ms() {  // since the last lap (or the beginning)
    double ms = elapsed_ms();
    start_ = Clock::now();
    return ms;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

}  // namespace galago
