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

// Pieces of a prompt laid out in one row of places.
TraceInput lay_out(const Model& model, std::span<const PromptPiece> pieces, std::span<const PreparedPicture> pictures) {
  TraceInput input;
  int per_tile = model.pictures().tokens_per_tile, n_tile_rows = 0;
  std::vector<int32_t> first_row;  // of each picture
  for (const PreparedPicture& picture : pictures) {
    input.views.insert(input.views.end(), picture.views.begin(), picture.views.end());
    first_row.push_back(n_tile_rows);
    n_tile_rows += picture.plan.n_tiles() * per_tile;
  }
  for (const PromptPiece& piece : pieces) {
    input.ids.insert(input.ids.end(), piece.ids.begin(), piece.ids.end());
    for (int32_t row : piece.rows) {
      size_t picture = static_cast<size_t>(piece.picture);
      int n_own = pictures[picture].plan.n_tiles() * per_tile;
      input.rows_at.push_back(static_cast<int32_t>(input.ids.size()));
      input.rows.push_back(row < n_own ? first_row[picture] + row : n_tile_rows + row - n_own);
      input.ids.push_back(0);
    }
  }
  return input;
}

std::string view_name(size_t i) { return i == 0 ? "pixels" : fmt::format("pixels.{}", i); }

// The embeddings of all views and the extra rows, one below the other: [rows, d].
Value picture_rows(const Scope& s, const Model& model, std::span<const Tensor> views) {
  Graph& g = s.graph();
  std::vector<Value> parts;
  for (size_t i = 0; i < views.size(); ++i) {
    Value tiles = model.encode_image(s, g.input(view_name(i), DType::F32, views[i].shape()));
    parts.push_back(reshape(g, tiles, {g.shape(tiles)[0] * g.shape(tiles)[1], model.d_model()}));
  }
  if (Value extra = model.extra_rows(s); extra.valid()) parts.push_back(extra);
  return concat(g, parts, 0);
}

std::shared_ptr<Graph> trace_graph(const Model& model, const Weights& weights, const TraceInput& input) {
  auto graph = std::make_shared<Graph>();
  Graph& g = *graph;
  Scope s(g, weights);
  int64_t n = std::ssize(input.ids), n_rows = std::ssize(input.rows_at), d = model.d_model();
  PositionInfo at{.positions = g.input("positions", DType::I32, {n})};
  Value x = model.embed(s, g.input("ids", DType::I32, {1, n}));  // [1, n, d]
  if (n_rows > 0) {
    Value rows = gather(g, picture_rows(s, model, input.views), g.input("rows", DType::I32, {n_rows}));
    g.name(rows, "picture_rows");  // what takes the places of a picture in the prompt
    at.picture_rows = g.input("rows_at", DType::I32, {n_rows});
    x = reshape(g, scatter(g, reshape(g, x, {n, d}), rows, at.picture_rows), {1, n, d});
  }
  Value logits = model.logits(s, model.decode(s, x, at, {}));  // [1, n, vocab]
  g.output(reshape(g, logits, {n, model.n_vocab()}), "logits");
  return graph;
}

void fill(Program& program, const std::string& name, const std::vector<int32_t>& values) {
  std::copy(values.begin(), values.end(), program.input(name).i32().begin());
}

void fill_inputs(Program& program, const TraceInput& input) {
  fill(program, "ids", input.ids);
  std::span<int32_t> positions = program.input("positions").i32();
  std::iota(positions.begin(), positions.end(), 0);
  if (input.rows_at.empty()) return;
  fill(program, "rows_at", input.rows_at);
  fill(program, "rows", input.rows);
  for (size_t i = 0; i < input.views.size(); ++i)
    std::memcpy(program.input(view_name(i)).bytes(), input.views[i].bytes(), input.views[i].n_bytes());
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
  std::vector<TurnPart> parts;
  for (const PreparedPicture& picture : prepared) parts.push_back({.picture = &picture.plan});
  if (!text.empty()) parts.push_back({.text = std::string(text)});
  return lay_out(model, model.prompt(tokenizer, {.parts = parts}), prepared);
}

TraceInput trace_input(const Model& model, std::span<const int32_t> ids, std::span<const Image> pictures) {
  check_ids(model, ids);
  std::vector<PreparedPicture> prepared = prepare_all(model, pictures);
  std::vector<PromptPiece> pieces;
  for (int i = 0; i < static_cast<int>(prepared.size()); ++i) {
    int n_rows = prepared[static_cast<size_t>(i)].plan.n_tiles() * model.pictures().tokens_per_tile;
    pieces.push_back({.picture = i, .rows = std::vector<int32_t>(static_cast<size_t>(n_rows))});
    std::iota(pieces.back().rows.begin(), pieces.back().rows.end(), 0);
  }
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
