#include "cli/tuned.h"

#include <unistd.h>

#include <filesystem>

#include "base/clock.h"
#include "base/progress.h"
#include "runtime/tuning.h"

namespace galago::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kWorthIt = size_t{64} << 20;  // bytes of weights; smaller models answer before they are measured

size_t weight_bytes(const Checkpoint& checkpoint) {
  size_t n = 0;
  for (const auto& [name, weight] : checkpoint.weights) n += weight->data.n_bytes();
  return n;
}

bool can_write(const std::string& file) {
  if (file.empty()) return false;
  const fs::path folder = fs::path(file).parent_path();
  std::error_code error;
  fs::create_directories(folder, error);
  return !error && ::access(folder.c_str(), W_OK) == 0;
}

Tuning measure_and_keep(const std::string& file, const Checkpoint& checkpoint) {
  Stopwatch clock;
  const Tuning tuning = measure_tuning(checkpoint, [](int n) { return make_executor("cpu", n); });
  note(fmt::format("measured in {:.1f} s: {} threads, pieces of {} tokens, {} tiles at a time; kept in {}",
                   clock.elapsed_ms() / 1000, tuning.threads, tuning.chunk, tuning.tile_batch, file));
  write_tuning(file, checkpoint, tuning);
  return tuning;
}

Tuning find_tuning(const RunOptions& o, const Checkpoint& checkpoint) {
  const std::string file = tuning_file();
  if (o.executor != "cpu" || (!o.tune && !can_write(file))) return {};
  if (o.tune) return measure_and_keep(file, checkpoint);
  if (auto known = read_tuning(file, checkpoint)) return *known;
  return weight_bytes(checkpoint) >= kWorthIt ? measure_and_keep(file, checkpoint) : Tuning{};
}

}  // namespace

RunOptions with_tuning(RunOptions o, const Checkpoint& checkpoint) {
  const Tuning tuning = find_tuning(o, checkpoint);
  if (o.threads == 0) o.threads = tuning.threads;
  if (o.chunk == 0) o.chunk = tuning.chunk;
  if (o.tile_batch < 0) o.tile_batch = tuning.tile_batch;
  return o;
}

}  // namespace galago::cli
