// A training recipe: one YAML file in recipes/ that someone would want to repeat, with --set a.b=c on top.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "train/schedule.h"

namespace galago {

struct DataRecipe {
  std::string folder;      // made by `galago data`; empty: scenes are painted while training
  uint64_t seed = 1;       // of the painted scenes
  int64_t train_size = 0;  // painted scenes before they repeat; 0 = never
  int validation_size = 256;
};

// The run is a list of stages; each trains on one style of text.
struct StageRecipe {
  int64_t steps = 0;
  std::string style = "short";
};

// Whether the device has products of bf16. A processor without them emulates them, several times slower than f32.
bool multiplies_bf16(std::string_view device);

struct Recipe {
  std::string name;
  Json model;             // config.json of the model to train, or with "family" and "preset" to start from
  std::string init;       // a checkpoint to continue from; empty: random
  int vocab_size = 8000;  // the tokenizer is trained on `tokenizer_texts` texts of the data
  int tokenizer_texts = 20000;
  DataRecipe data;
  std::vector<StageRecipe> stages;
  int batch = 64, accumulate = 1;
  double learning_rate = 1e-3;
  Schedule schedule;
  double weight_decay = 0.1, clip = 1.0, beta2 = 0.95;
  bool bf16 = true;  // autocast; a recipe that does not say gets it where it is fast: multiplies_bf16(device)
  uint64_t seed = 0;
  int eval_every = 500, save_every = 250, log_every = 10;
  int patience = 0;  // evaluations without a better validation loss before stopping; 0 = never
  std::string out = "runs/unnamed";
  std::string device = "cpu";
  int threads = 0;

  int64_t total_steps() const;
};

// Throws InvalidInput naming file and field; unknown fields are errors. `changes`: "batch=32", "data.seed=7".
Recipe read_recipe(const std::string& path, const std::vector<std::string>& changes);
Json recipe_to_json(const Recipe& recipe);  // every field; read_recipe() reads it back

}  // namespace galago
