// galago models | ops | formats: the lists, as tables.
#include <fmt/format.h>

#include "cli/command.h"
#include "graph/graph.h"
#include "models/model.h"

namespace galago::cli {
namespace {

using Rows = std::vector<std::vector<std::string>>;

void print_models() {
  Rows rows{{"FAMILY", "PRESET", "PARAMETERS", "TITLE"}};
  for (const Family& family : all_families())
    for (std::string_view preset : family.presets()) {
      auto model = family.make(family.preset(preset));
      rows.push_back({std::string(family.name), std::string(preset), std::to_string(count_parameters(*model)),
                      std::string(family.title)});
    }
  print_table(rows);
}

void print_ops() {
  Rows rows{{"OP", "INPUTS", "GRADIENT"}};
  for (const OpInfo& op : all_ops()) {
    std::string inputs = op.min_inputs == op.max_inputs ? std::to_string(op.min_inputs)
                                                        : fmt::format("{}..{}", op.min_inputs, op.max_inputs);
    rows.push_back({std::string(op.name), inputs, op.differentiable ? "yes" : "no"});
  }
  print_table(rows);
}

void print_formats() {
  Rows rows{{"FORMAT", "VALUES/BLOCK", "BYTES/BLOCK", "BITS/VALUE", "GGUF ID"}};
  for (const DTypeInfo& type : all_dtypes()) {
    std::string id = type.file_id < 1000 ? std::to_string(type.file_id) : "-";
    rows.push_back({std::string(type.name), std::to_string(type.block_values), std::to_string(type.block_bytes),
                    fmt::format("{:.4g}", 8.0 * type.block_bytes / type.block_values), id});
  }
  print_table(rows);
}

}  // namespace

void define_models(CLI::App& app) { app.callback(print_models); }
void define_ops(CLI::App& app) { app.callback(print_ops); }
void define_formats(CLI::App& app) { app.callback(print_formats); }

}  // namespace galago::cli
