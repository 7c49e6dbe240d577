// The MODEL that a command takes: one file, a folder, or files that belong together.
#pragma once

#include <CLI/CLI.hpp>

#include "runtime/checkpoint.h"

namespace galago::cli {

// MODEL and -m (this one is given back), --mmproj, --config, --lora.
CLI::Option* add_model_options(CLI::App& app, ModelFiles& files);

}  // namespace galago::cli
