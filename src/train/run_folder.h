// The output folder of a training run: settings, log, and checkpoints that a crash cannot spoil.
//   recipe.json  tokenizer.json  log.jsonl
//   step-00001000/  config.json model.safetensors (reference names) tokenizer.json optimizer.safetensors state.json
//   last -> step-...   best -> step-...
//   curves.svg  curves.png  events.out.tfevents...
// A checkpoint folder is written under a temporary name, synced and renamed; then the link is replaced.
#pragma once

#include <fstream>
#include <memory>
#include <string>

#include "base/json.h"
#include "runtime/checkpoint.h"
#include "torch/trainer_program.h"

namespace galago {

struct RunState {
  int64_t step = 0;
  double best_loss = 1e30;
  int evaluations_without_progress = 0;
  std::string best_style;  // the texts that best_loss is about; losses of different texts do not compare
  Json to_json() const;
  static RunState from_json(const Json& json);
};

class RunFolder {
 public:
  explicit RunFolder(std::string path);  // makes the folder

  bool has_checkpoint() const;
  void save(const torch_backend::Trainer& trainer, const Model& model, const Tokenizer& tokenizer,
            const RunState& state, bool best);
  // Restores parameters, moments and counters of `last`; drops log lines after its step.
  RunState resume(torch_backend::Trainer& trainer, const Model& model);
  // Forgets the log of a run that ended before its first checkpoint.
  void start_over();
  void log(const Json& line);
  const std::string& path() const { return path_; }

 private:
  std::string checkpoint_name(int64_t step) const;
  void write_checkpoint(const std::string& name, const torch_backend::Trainer& trainer, const Model& model,
                        const Tokenizer& tokenizer, const RunState& state);
  std::string target(const std::string& link) const;  // empty if there is none
  void point(const std::string& link, const std::string& target);
  void remove_old();
  std::string path_;
  std::ofstream log_;
};

}  // namespace galago
