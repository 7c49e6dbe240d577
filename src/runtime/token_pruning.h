// Leaves rows of a picture out of a prompt before it is run: the first blocks of the decoder see the whole prompt once,
// and what the rest of it attends to least goes (Mini-Monkey's scale compression mechanism, arXiv 2408.02034; positions
// are counted anew, and nothing of the scoring pass is used again). Called by Session.
#pragma once

#include <vector>

#include "graph/executor.h"
#include "models/model.h"

namespace galago {

// A whole prompt as a session lays it out: ids[i] where rows[i] is null, otherwise one row [d] of a picture
// (and any id, also -1).
struct PromptRows {
  std::vector<int32_t> ids;
  std::vector<const float*> rows;
};

// Model::importance of the candidates [pruning.n_candidates], which are the first picture rows of the prompt. Throws
// InvalidInput if there are fewer or nothing stands behind them. Memory grows with the length of the prompt.
std::vector<float> importance(const Model& model, const Weights& weights, Executor& executor, const PromptRows& prompt,
                              const TokenPruning& pruning);

// The places that stay, rising: everything but the candidates of lowest score; of equal ones the earlier stay.
std::vector<int32_t> kept_places(int n_places, int first, const TokenPruning& pruning, std::span<const float> scores);

// All of it; a model or plan that leaves nothing out gives the prompt back.
PromptRows pruned_prompt(const Model& model, const Weights& weights, Executor& executor, PromptRows prompt,
                         const SlicePlan& plan);

}  // namespace galago
