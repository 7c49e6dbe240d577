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
  int n = -1, context = 0, max_tiles = 0;
  int threads = 0, chunk = 0, tile_batch = -1;  // 0, 0 and -1: as measured on this machine (tuned.h)
  bool tune = false;
  std::string key_type = "f16", value_type;
  // Negative or empty: the model's own.
  std::optional<float> temperature, top_p, repeat_penalty;
  std::optional<int> top_k, repeat_window;
  SamplingOptions sampling;  // the rest
  std::vector<std::string> stop;
  int n_logprobs = -1;
  std::string encode = "auto";  // when pictures are encoded; see EncodeMode
  std::string draft;            // a small model that drafts answers; empty: none
  bool lookup = false;
  int max_draft = 8;
  int beams = 1;
  float length_penalty = 1;
  std::string early_stopping = "no";
  bool json = false, stored = false, release_vision = false, deterministic = false;
};

// When a picture is encoded: with the turn it belongs to, at once in the background, or that and run through the
// language model as far as the prompt is known.
enum class EncodeMode { Coupled, Decoupled, Eager };
EncodeMode encode_mode(const RunOptions& o, bool chat);  // auto: eager in a chat, where somebody types; else decoupled

CLI::Option* add_run_options(CLI::App& app, RunOptions& o);  // -p, to see whether it was given

DType find_cache_type(const std::string& name);                            // throws Usage
CacheTypes cache_types(const std::string& key, const std::string& value);  // value empty: as keys
void add_cache_types(CLI::App& app, std::string& key, std::string& value);
SessionOptions session_options(const RunOptions& o, EncodeMode mode);
GenerateOptions generate_options(const RunOptions& o, const SamplingDefaults& defaults);

}  // namespace galago::cli
