#include "base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace galago {
namespace {

bool g_quiet = false;

}  // namespace

void set_quiet(bool quiet) { g_quiet = quiet; }
bool quiet() { return g_quiet; }

void note(const std::string& line) {
  if (!g_quiet) fmt::print(stderr, "{}\n", line);
}

std::string duration_text(double seconds) {
  int64_t s = static_cast<int64_t>(seconds + 0.5);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {:02} s", s / 60, s % 60);
  return fmt::format("{} h {:02} min", s / 3600, s / 60 % 60);
}

Progress::Progress(std::string what) : what_(std::move(what)), visible_(!g_quiet && isatty(STDERR_FILENO)) {}

Progress::~Progress() {
  if (drawn_) std::fputc('\n', stderr);
}

void Progress::show(double done, double total, const std::string& detail) {
  if (first_done_ < 0) first_done_ = done;
  double now = since_start_.elapsed_ms();
  if (!visible_ || (now - last_ms_ < 100 && done < total)) return;
  last_ms_ = now;
  drawn_ = true;
  double speed = (done - first_done_) / now;
  std::string left = speed > 0 ? ", " + duration_text((total - done) / speed / 1000) + " left" : "";
  fmt::print(stderr, "\r\033[K{} {:.0f}/{:.0f}{}{}{}", what_, done, total, detail.empty() ? "" : "  ", detail, left);
  std::fflush(stderr);
}

}  // namespace galago
