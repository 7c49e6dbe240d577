// Settings that depend on the machine and change only the time that things take: measured once on the largest products
// of a model and kept in a file, so that the next start knows them. The method's ancestor is the search over settings
// of MiniCPM-V (arXiv 2408.01800, section 5).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "graph/executor.h"
#include "runtime/checkpoint.h"

namespace galago {

struct Tuning {
  int threads = 0;     // 0: one per processor
  int chunk = 512;     // SessionOptions::chunk
  int tile_batch = 0;  // EncoderOptions::tile_batch; 0 too where the model takes no pictures
  bool operator==(const Tuning&) const = default;
};

using MakeExecutor = std::function<std::shared_ptr<Executor>(int n_threads)>;

// Within about a second: the largest matrix of the language model with one row and with many, and that of the vision
// network with the rows of 1, 2, 4 and 6 tiles. The smallest setting counts that comes within 3 % of the best.
Tuning measure_tuning(const Checkpoint& checkpoint, const MakeExecutor& make_executor);

// $XDG_CACHE_HOME/galago/tuning.json, or ~/.cache/galago/tuning.json; empty: there is no such place.
std::string tuning_file();

// What is kept there for this machine and model. A damaged file holds nothing.
std::optional<Tuning> read_tuning(const std::string& file, const Checkpoint& checkpoint);
// Beside what is there for others. Throws Io.
void write_tuning(const std::string& file, const Checkpoint& checkpoint, const Tuning& tuning);

}  // namespace galago
