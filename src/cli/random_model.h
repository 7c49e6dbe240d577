// galago data random-model: a checkpoint of any family with random weights.
#pragma once

#include <CLI/CLI.hpp>

namespace galago::cli {

void define_random_model(CLI::App& app);  // a subcommand of `galago data`

}  // namespace galago::cli
