// The settings of `galago run` that nobody gave: those that were measured on this machine (runtime/tuning.h).
#pragma once

#include "cli/run_options.h"

namespace galago::cli {

// With --tune they are measured now; otherwise at the first run of a model that is large enough for it to pay.
RunOptions with_tuning(RunOptions o, const Checkpoint& checkpoint);

}  // namespace galago::cli
