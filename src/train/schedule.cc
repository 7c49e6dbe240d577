#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace galago {

double learning_rate_factor(const Schedule& s, int64_t step) {
  if (step < s.warmup) return static_cast<double>(step + 1) / static_cast<double>(s.warmup);
  double length = static_cast<double>(std::max<int64_t>(s.steps - s.warmup, 1));
  double done = std::min(static_cast<double>(step - s.warmup) / length, 1.0);
  if (s.kind == "constant") return 1;
  if (s.kind == "cosine") return s.floor + (1 - s.floor) * 0.5 * (1 + std::cos(std::numbers::pi * done));
  CHECK(s.kind == "wsd");
  double decayed = (done - (1 - s.decay_share)) / s.decay_share;
  return decayed <= 0 ? 1 : std::pow(std::max(s.floor, 1e-4), decayed);
}

}  // namespace galago
