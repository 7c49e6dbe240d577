#include "runtime/trace.h"

#include <fnmatch.h>

#include <cstring>
#include <numeric>

#include "base/error.h"
#include "runtime/picture.h"

namespace galago {
namespace {

Tensor copy(const Tensor& tensor) {
  Tensor result = Tensor::make(tensor.dtype(), tensor.shape());
  std::memcpy(result.bytes(), tensor.bytes(), tensor.n_bytes());
  return result;
}

std::vector<PreparedPicture> prepare_all(const Model& model, std::span<const Image> pictures) {
  std::vector<PreparedPicture> prepared;
  for (const Image& picture : pictures) prepared.push_back(prepare_picture(picture, model.pictures()));
  return prepared;
}

// Pieces of a prompt laid out in one row of places, the tiles stacked in the order in which they are read.
TraceInput lay_out(const Model& model, std::span<const PromptPiece> pieces, std::span<const PreparedPicture> pictures) {
  TraceInput input;
  std::vector<Tensor> tiles;
  for (const PromptPiece& piece : pieces) {
    input.ids.insert(input.ids.end(), piece.ids.begin(), piece.ids.end());
    if (piece.picture < 0) continue;
    tiles.push_back(pictures[static_cast<size_t>(piece.picture)].pixels.rows(piece.tile, piece.tile + 1));
    for (int i = 0; i < model.pictures().tokens_per_tile; ++i) {
      input.rows_at.push_back(static_cast<int32_t>(input.ids.size()));
      input.ids.push_back(0);
    }
  }
  if (tiles.empty()) return input;
  Shape shape = tiles[0].shape();
  shape[0] = static_cast<int64_t>(tiles.size());
  input.pixels = Tensor::make(DType::F32, shape);
  for (size_t i = 0; i < tiles.size(); ++i)
    std::memcpy(input.pixels.bytes() + i * tiles[i].n_bytes(), tiles[i].bytes(), tiles[i].n_bytes());
  return input;
}

std::shared_ptr<Graph> trace_graph(const Model& model, const Weights& weights, const TraceInput& input) {
  auto graph = std::make_shared<Graph>();
  Graph& g = *graph;
  Scope s(g, weights);
  int64_t n = static_cast<int64_t>(input.ids.size()), n_rows = static_cast<int64_t>(input.rows_at.size());
  int64_t d = model.d_model();
  Value x = model.embed(s, g.input("ids", DType::I32, {1, n}));  // [1, n, d]
  if (n_rows > 0) {
    Value rows = model.encode_image(s, g.input("pixels", DType::F32, input.pixels.shape()));
    Value rows_at = g.input("rows_at", DType::I32, {n_rows});
    x = scatter(g, reshape(g, x, {n, d}), reshape(g, rows, {n_rows, d}), rows_at);
    x = reshape(g, x, {1, n, d});
  }
  PositionInfo at{.positions = g.input("positions", DType::I32, {n})};
  Value logits = model.logits(s, model.decode(s, x, at, {}));  // [1, n, vocab]
  g.output(reshape(g, logits, {n, model.n_vocab()}), "logits");
  return graph;
}

void fill_inputs(Program& program, const TraceInput& input) {
  std::copy(input.ids.begin(), input.ids.end(), program.input("ids").i32().begin());
  std::span<int32_t> positions = program.input("positions").i32();
  std::iota(positions.begin(), positions.end(), 0);
  if (input.rows_at.empty()) return;
  std::copy(input.rows_at.begin(), input.rows_at.end(), program.input("rows_at").i32().begin());
  std::memcpy(program.input("pixels").bytes(), input.pixels.bytes(), input.pixels.n_bytes());
}

void check_length(const Model& model, size_t n_places) {
  if (n_places == 0) throw invalid_input("the prompt is empty; give text, ids or a picture");
  int longest = model.cache().max_context;
  if (longest > 0 && n_places > static_cast<size_t>(longest))
    throw invalid_input("the prompt needs {} places; this model has {}", n_places, longest);
}

void check_ids(const Model& model, std::span<const int32_t> ids) {
  for (int32_t id : ids)
    if (id < 0 || id >= model.n_vocab())
      throw invalid_input("token id {}: this model has ids 0 to {}", id, model.n_vocab() - 1);
}

}  // namespace

TraceInput trace_input(const Model& model, const Tokenizer& tokenizer, std::string_view text,
                       std::span<const Image> pictures) {
  std::vector<PreparedPicture> prepared = prepare_all(model, pictures);
  std::vector<TileGrid> grids;
  for (const PreparedPicture& picture : prepared) grids.push_back(picture.grid);
  return lay_out(model, model.prompt(tokenizer, text, grids), prepared);
}

TraceInput trace_input(const Model& model, std::span<const int32_t> ids, std::span<const Image> pictures) {
  check_ids(model, ids);
  std::vector<PreparedPicture> prepared = prepare_all(model, pictures);
  std::vector<PromptPiece> pieces;
  for (int i = 0; i < static_cast<int>(prepared.size()); ++i)
    for (int tile = 0; tile < prepared[static_cast<size_t>(i)].grid.n_tiles(); ++tile)
      pieces.push_back({.picture = i, .tile = tile});
  pieces.push_back({.ids = {ids.begin(), ids.end()}});
  return lay_out(model, pieces, prepared);
}

Trace run_trace(const Model& model, const Weights& weights, Executor& executor, const TraceInput& input,
                const std::string& pattern) {
  check_length(model, input.ids.size());
  auto graph = trace_graph(model, weights, input);
  auto program = executor.compile(graph, {.keep_named = true});
  fill_inputs(*program, input);
  program->run();
  Trace trace{{"logits", copy(program->output("logits"))}};
  for (const Node& node : graph->nodes()) {
    if (node.op >= Op::Input || node.name.empty() || trace.contains(node.name)) continue;
    if (fnmatch(pattern.c_str(), node.name.c_str(), 0) == 0) trace[node.name] = copy(program->output(node.name));
  }
  return trace;
}

}  // namespace galago
