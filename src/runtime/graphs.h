// The graphs that run a Model: pictures to embeddings, a chunk of prompt or one token through the cache, and the whole
// sequence at once for tests, traces, evaluation and training.
#pragma once

#include <memory>

#include "models/model.h"

namespace galago {

// input "pixels" [n_tiles, 3, h, w] -> output "embeddings" [n_tiles, tokens_per_tile, d].
std::shared_ptr<Graph> encode_graph(const Model& model, const Weights& weights, const Shape& pixels);
// output "rows" [n, d]: Model::extra_rows(); null if the model has none.
std::shared_ptr<Graph> extra_rows_graph(const Model& model, const Weights& weights);

// What a piece of a sequence gives beside the rows of the cache that it writes.
enum class StepLogits { None, Last, All };

// inputs: "ids" i32 [1, T], "past" i32 [1], "positions" i32 [T]; with n_rows > 0 also "rows" [n_rows, d] and "rows_at"
// i32 [n_rows]: picture embeddings that replace the embeddings of these tokens. Output: "logits" of the last token [1,
// V] or of all [T, V]; None: "hidden" of the last one, so that there is something to run for.
std::shared_ptr<Graph> step_graph(const Model& model, const Weights& weights, std::span<const LayerCache> caches,
                                  int n_tokens, int n_rows, StepLogits logits);

// Model::importance of picture rows in a whole prompt: inputs as of step_graph without "past"; the rows begin at place
// `first`. Output "importance" [pruning.n_candidates].
std::shared_ptr<Graph> importance_graph(const Model& model, const Weights& weights, int n_tokens, int n_rows, int first,
                                        const TokenPruning& pruning);

// A batch of sequences without a cache: pictures first, then text. inputs "pixels" [B * tiles, 3, S, S] (if tiles > 0)
// and "ids" i32 [B, T]; outputs: "logits" [B, P + T, V], P = tiles * tokens_per_tile.
std::shared_ptr<Graph> sequence_graph(const Model& model, const Weights& weights, int64_t batch, int64_t tiles,
                                      int64_t n_text);

// The same with targets: input "targets" i32 [B, T] (what follows each text token; -100 = not counted), output "loss".
std::shared_ptr<Graph> loss_graph(const Model& model, const Weights& weights, int64_t batch, int64_t tiles,
                                  int64_t n_text);

}  // namespace galago
