// Learning-rate schedules: a factor of the peak rate for every step.
#pragma once

#include <cstdint>
#include <string>

namespace galago {

struct Schedule {
  std::string kind = "cosine";  // "cosine", "wsd" (warmup, stable, decay: MiniCPM), "constant"
  int64_t steps = 1000;         // of the whole run
  int64_t warmup = 200;         // linear from 0
  double floor = 0.1;           // lowest factor at the end
  double decay_share = 0.1;     // wsd: share of the steps that decay (exponentially) to the floor
};

double learning_rate_factor(const Schedule& schedule, int64_t step);  // step counts from 0

}  // namespace galago
