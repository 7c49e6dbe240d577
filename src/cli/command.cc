#include "cli/command.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "cpu/executor.h"
#include "cpu/footprint.h"
#if GALAGO_WITH_TORCH
#include "torch/executor.h"
#endif

namespace galago::cli {

#define COMMAND(name, summary, example) void define_##name(CLI::App& app);
#include "cli/commands.def"
#undef COMMAND

std::span<const Command> all_commands() {
  static const Command kCommands[] = {
#define COMMAND(name, summary, example) {spelled(#name), summary, example, define_##name},
#include "cli/commands.def"
#undef COMMAND
  };
  return kCommands;
}

std::string spelled(std::string_view row_name) {
  std::string name(row_name);
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::shared_ptr<Executor> make_executor(const std::string& name, int n_threads) {
  if (name == "cpu") return cpu::make_executor(std::make_shared<ThreadPool>(n_threads));
  if (name != "torch") throw usage_error("--executor {}: expected cpu or torch", name);
#if GALAGO_WITH_TORCH
  return torch_backend::make_executor();
#else
  throw unsupported("--executor {}: this program was built without libtorch; only cpu is there", name);
#endif
}

std::function<size_t(const Graph&)> cpu_program_bytes(int n_threads) {
  if (n_threads <= 0) n_threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  return [n_threads](const Graph& graph) { return cpu::program_bytes(graph, n_threads); };
}

void print_json(const Json& json) { fmt::print("{}\n", json.dump()); }

std::pair<int, int> parse_size(const std::string& text) {
  int width = 0, height = 0, used = 0;
  bool ok = std::sscanf(text.c_str(), "%dx%d%n", &width, &height, &used) == 2 && used == static_cast<int>(text.size());
  constexpr int kMaxSide = 65535;
  if (!ok || width < 1 || height < 1 || width > kMaxSide || height > kMaxSide)
    throw usage_error("size {}: expected WIDTHxHEIGHT in pixels, for example 640x480", text);
  return {width, height};
}

double peak_memory_mb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) {
      widths.resize(std::max(widths.size(), row.size()));
      widths[i] = std::max(widths[i], row[i].size());
    }
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i)
      line += fmt::format("{:<{}}", row[i], i + 1 < row.size() ? widths[i] + 2 : 0);
    fmt::print("{}\n", line);
  }
}

}  // namespace galago::cli
