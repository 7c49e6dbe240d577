// The options of `galago run`, named as llama.cpp names them where it has them.
#pragma once

#include <optional>

#include "cli/command.h"
#include "cli/model_options.h"
#include "runtime/session.h"

namespace galago::cli {

struct RunOptions {
  ModelFiles files;
  std::string prompt, executor = "cpu", system, session_file, picture_folder;
  std::vector<std::string> images, videos;
  int n = -1, context = 0, chunk = 512, threads = 0, max_tiles = 0;
  std::string key_type = "f16", value_type;
  // Negative or empty: the model's own.
  std::optional<float> temperature, top_p, repeat_penalty;
  std::optional<int> top_k, repeat_window;
  SamplingOptions sampling;  // the rest
  std::vector<std::string> stop;
  int n_logprobs = -1;
  int beams = 1;
  float length_penalty = 1;
  std::string early_stopping = "no";
  bool json = false, stored = false, release_vision = false;
};

CLI::Option* add_run_options(CLI::App& app, RunOptions& o);  // -p, to see whether it was given

DType find_cache_type(const std::string& name);  // throws Usage
CacheTypes cache_types(const RunOptions& o);     // throws Usage
SessionOptions session_options(const RunOptions& o);
GenerateOptions generate_options(const RunOptions& o, const SamplingDefaults& defaults);

}  // namespace galago::cli
