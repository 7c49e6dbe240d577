// A training run of seconds: the tiny NanoVLMs model with dropout on painted scenes of 64 pixels.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/json.h"
#include "data/glyphs.h"
#include "models/model.h"
#include "train/recipe.h"

namespace galago {

inline Recipe small_recipe(const std::string& folder, int64_t steps, bool bf16) {
  Recipe r;
  r.name = "small";
  r.out = folder;
  r.model = find_family("nanovlms")->preset("tiny");
  r.model["image_size"] = 64;
  r.model["vocab_size"] = 320;
  r.model["n_positions"] = 160;
  r.model["dropout"] = 0.1;
  r.vocab_size = 320;
  r.tokenizer_texts = 40;
  r.data = {.seed = 3, .train_size = 60, .validation_size = 8};
  r.stages = {{2, "list"}, {steps - 2, "short"}};
  r.batch = 4;
  r.accumulate = 2;
  r.learning_rate = 3e-3;
  r.schedule = {.kind = "cosine", .steps = steps, .warmup = 2};
  r.bf16 = bf16;
  r.seed = 5;
  r.eval_every = 4;
  r.save_every = 2;
  r.log_every = 1;
  r.threads = 1;
  return r;
}

inline std::string fresh_folder(const std::string& name) {
  std::string folder = testing::TempDir() + "/" + name;
  std::filesystem::remove_all(folder);
  return folder;
}

// (step, value) of every line of the log with this field, as written: equal text means equal bits.
inline std::vector<std::pair<int64_t, std::string>> logged(const std::string& folder, const std::string& field) {
  std::vector<std::pair<int64_t, std::string>> all;
  std::ifstream log(folder + "/log.jsonl");
  for (std::string line; std::getline(log, line);) {
    Json json = Json::parse(line);
    if (json.contains(field)) all.emplace_back(json["step"].get<int64_t>(), json[field].dump());
  }
  return all;
}

#define SKIP_WITHOUT_FONT() \
  if (!std::filesystem::exists(kEmojiFont)) GTEST_SKIP() << "the package fonts-noto-color-emoji is not installed"

}  // namespace galago
