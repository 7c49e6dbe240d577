// What the commands share: options, output, executors.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>

#include "base/json.h"
#include "graph/executor.h"

namespace galago::cli {

struct Command {
  std::string name;  // as it is typed: with - for the _ of its row
  std::string_view summary, example;
  void (*define)(CLI::App& app);  // adds options and the callback that runs the command
};
std::span<const Command> all_commands();

std::string spelled(std::string_view row_name);  // quant_report -> quant-report

// "cpu" or "torch". Throws Unsupported for torch in a program built without it. n_threads 0 = one per processor.
std::shared_ptr<Executor> make_executor(const std::string& name, int n_threads);

// What a program of the cpu executor takes in memory, for estimates.
std::function<size_t(const Graph&)> cpu_program_bytes(int n_threads);

void print_json(const Json& json);  // one object to stdout

// "640x480" -> {640, 480}; throws Usage.
std::pair<int, int> parse_size(const std::string& text);

double peak_memory_mb();  // of this process so far

// A table with aligned columns to stdout; the first row is the head.
void print_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace galago::cli
