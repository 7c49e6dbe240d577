// A progress line on stderr: redrawn in place on a terminal, nothing in a pipe or with --quiet.
#pragma once

#include <string>

#include "base/clock.h"

namespace galago {

void set_quiet(bool quiet);  // --quiet: no progress, no notes
bool quiet();
void note(const std::string& line);  // one line to stderr unless quiet

std::string duration_text(double seconds);  // "42 s", "3 min 10 s", "2 h 05 min"

class Progress {
 public:
  explicit Progress(std::string what);
  ~Progress();
  void show(double done, double total,
            const std::string& detail = "");  // adds share and time left; at most 10 a second

 private:
  std::string what_;
  bool visible_;
  bool drawn_ = false;
  Stopwatch since_start_;
  double last_ms_ = -1000;
  double first_done_ = -1;
};

}  // namespace galago
