#include "runtime/graphs.h"

namespace galago {
namespace {

// Hidden states [B, P + T, d] of pictures followed by text.
struct Sequence {
  Value hidden;
  int64_t n_picture;  // P
};

Value running_positions(Graph& g, int64_t n) { return g.input("positions", DType::I32, {n}); }

// Tokens and rows of pictures as one sequence [1, T, d]; adds positions and picture places to `at`.
Value prompt_rows(const Scope& s, const Model& model, int n_tokens, int n_rows, PositionInfo& at) {
  Graph& g = s.graph();
  at.positions = running_positions(g, n_tokens);
  Value x = model.embed(s, g.input("ids", DType::I32, {1, n_tokens}));
  if (n_rows == 0) return x;
  Value rows = g.input("rows", DType::F32, {n_rows, model.d_model()});
  at.picture_rows = g.input("rows_at", DType::I32, {n_rows});
  x = scatter(g, reshape(g, x, {n_tokens, model.d_model()}), rows, at.picture_rows);
  return reshape(g, x, {1, n_tokens, model.d_model()});
}

Sequence sequence(const Scope& s, const Model& model, int64_t batch, int64_t tiles, int64_t n_text) {
  Graph& g = s.graph();
  Value ids = g.input("ids", DType::I32, {batch, n_text});
  Value x = model.embed(s, ids);  // [B, T, d]
  int64_t n_picture = tiles * model.pictures().tokens_per_tile;
  if (tiles > 0) {
    int64_t side = model.pictures().slice.tile;
    Value pixels = g.input("pixels", DType::F32, {batch * tiles, 3, side, side});
    Value pictures = model.encode_image(s, pixels);
    pictures = reshape(g, pictures, {batch, n_picture, model.d_model()});
    x = concat(g, std::vector<Value>{pictures, x}, 1);
  }
  PositionInfo at{.positions = running_positions(g, n_picture + n_text)};
  return {model.decode(s, x, at, {}), n_picture};
}

}  // namespace

std::shared_ptr<Graph> encode_graph(const Model& model, const Weights& weights, const Shape& pixels) {
  auto graph = std::make_shared<Graph>();
  graph->output(model.encode_image(Scope(*graph, weights), graph->input("pixels", DType::F32, pixels)), "embeddings");
  return graph;
}

std::shared_ptr<Graph> extra_rows_graph(const Model& model, const Weights& weights) {
  auto graph = std::make_shared<Graph>();
  Value rows = model.extra_rows(Scope(*graph, weights));
  if (!rows.valid()) return nullptr;
  graph->output(rows, "rows");
  return graph;
}

std::shared_ptr<Graph> step_graph(const Model& model, const Weights& weights, std::span<const LayerCache> caches,
                                  int n_tokens, int n_rows, StepLogits logits) {
  auto graph = std::make_shared<Graph>();
  Graph& g = *graph;
  Scope s(g, weights);
  PositionInfo at{.past = g.input("past", DType::I32, {1})};
  Value x = prompt_rows(s, model, n_tokens, n_rows, at);
  Value hidden = model.decode(s, x, at, caches);  // [1, T, d]
  const int n = logits == StepLogits::All ? n_tokens : 1;
  if (n < n_tokens) hidden = slice(g, hidden, 1, n_tokens - n, n_tokens);
  if (logits == StepLogits::None)
    g.output(hidden, "hidden");
  else
    g.output(reshape(g, model.logits(s, hidden), {n, model.n_vocab()}), "logits");
  return graph;
}

std::shared_ptr<Graph> importance_graph(const Model& model, const Weights& weights, int n_tokens, int n_rows, int first,
                                        const TokenPruning& pruning) {
  auto graph = std::make_shared<Graph>();
  Scope s(*graph, weights);
  PositionInfo at;
  Value x = prompt_rows(s, model, n_tokens, n_rows, at);
  graph->output(model.importance(s, x, at, first, pruning.n_candidates), "importance");
  return graph;
}

std::shared_ptr<Graph> sequence_graph(const Model& model, const Weights& weights, int64_t batch, int64_t tiles,
                                      int64_t n_text) {
  auto graph = std::make_shared<Graph>();
  Scope s(*graph, weights);
  graph->output(model.logits(s, sequence(s, model, batch, tiles, n_text).hidden), "logits");
  return graph;
}

std::shared_ptr<Graph> loss_graph(const Model& model, const Weights& weights, int64_t batch, int64_t tiles,
                                  int64_t n_text) {
  auto graph = std::make_shared<Graph>();
  Scope s(*graph, weights);
  Sequence x = sequence(s, model, batch, tiles, n_text);
  Value text = slice(*graph, x.hidden, 1, x.n_picture, x.n_picture + n_text);  // picture places have no target
  Value targets = graph->input("targets", DType::I32, {batch, n_text});
  graph->output(cross_entropy(*graph, model.logits(s, text), targets), "loss");
  return graph;
}

}  // namespace galago
