// The curves of a run: FOLDER/log.jsonl -> curves.svg and curves.png. Training loss (every logged step and smoothed),
// validation loss, learning rate; a dashed line where a stage begins.
#pragma once

#include <string>
#include <vector>

namespace galago {

struct Series {
  std::vector<double> step, value;
  bool empty() const { return step.empty(); }
};

struct TrainingCurves {
  Series loss, validation_loss, learning_rate;
  struct Stage {
    double begin = 0;
    std::string style;
  };
  std::vector<Stage> stages;  // from recipe.json; empty if there is none
};

TrainingCurves read_curves(const std::string& folder);  // lines that are no JSON are left out (a run was killed)

// Mean of a forward and a backward moving average, so that the curve does not lag: weights a^|i-j|, a = 1 - 1 / window.
Series smoothed(const Series& raw, double window);
// At most n points: each is the mean of its neighbours.
Series thinned(const Series& raw, size_t n);
// 3 to 9 round numbers within [low, high], for the marks of an axis.
std::vector<double> round_ticks(double low, double high);

// Writes both files; no curves.png (and a note) where the font is not installed. Nothing without a logged step.
void draw_curves(const std::string& folder);

}  // namespace galago
