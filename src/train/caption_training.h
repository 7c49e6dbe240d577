// Trains a caption model from a recipe: tokenizer, batches, optimizer steps, evaluation, checkpoints, log.
#pragma once

#include "train/recipe.h"

namespace galago {

struct TrainingResult {
  int64_t steps = 0;
  double train_loss = 0, validation_loss = 0, best_loss = 0;
  bool interrupted = false;
  std::string folder;
};

// Continues from recipe.out/last if it is there and `resume`; otherwise the folder must hold no checkpoint.
TrainingResult train_captions(const Recipe& recipe, bool resume);

}  // namespace galago
