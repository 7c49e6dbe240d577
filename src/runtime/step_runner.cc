#include "runtime/step_runner.h"

#include <algorithm>
#include <numeric>

namespace galago {
namespace {

constexpr int kRowStep = 64;

// One token of each of B sequences: inputs as step_graph's, "ids" i32 [B, 1]; output "logits" [B, V].
std::shared_ptr<Graph> batch_step_graph(const Model& model, const Weights& weights, const KvCache& cache) {
  auto graph = std::make_shared<Graph>();
  Graph& g = *graph;
  Scope s(g, weights);
  PositionInfo at{.past = g.input("past", DType::I32, {1}), .positions = g.input("positions", DType::I32, {1})};
  Value x = model.embed(s, g.input("ids", DType::I32, {cache.batch(), 1}));
  Value hidden = model.decode(s, x, at, cache.layers());  // [B, 1, d]
  g.output(reshape(g, model.logits(s, hidden), {cache.batch(), model.n_vocab()}), "logits");
  return graph;
}

}  // namespace

StepShape step_shape(int n_tokens, int n_rows, StepLogits logits) {
  if (n_tokens == 1 && logits == StepLogits::All) logits = StepLogits::Last;
  return {n_tokens, std::min(n_tokens, (n_rows + kRowStep - 1) / kRowStep * kRowStep), logits};
}

void StepRunner::run(std::span<const int32_t> ids, std::span<const float* const> rows, int past, StepLogits logits) {
  const int n_tokens = static_cast<int>(ids.size());
  const int n_rows = static_cast<int>(std::count_if(rows.begin(), rows.end(), [](const float* row) { return row; }));
  Program& step = program(step_shape(n_tokens, n_rows, logits));
  start(step, ids, past);
  if (n_rows > 0) fill_rows(step, rows);
  step.run();
  if (logits != StepLogits::None) logits_ = step.output("logits");
}

void StepRunner::run_batch(std::span<const int32_t> ids, int past) {
  CHECK(static_cast<int>(ids.size()) == cache_.batch(), "{} tokens for {} sequences", ids.size(), cache_.batch());
  Program& step = program({1, 0, StepLogits::Last});
  start(step, ids, past);
  step.run();
  logits_ = step.output("logits");
}

void StepRunner::start(Program& step, std::span<const int32_t> ids, int past) {
  std::copy(ids.begin(), ids.end(), step.input("ids").i32().begin());
  std::span<int32_t> positions = step.input("positions").i32();
  std::iota(positions.begin(), positions.end(), past);
  step.input("past").i32()[0] = past;
}

// Places left over repeat the last row: writing the same row twice changes nothing.
void StepRunner::fill_rows(Program& step, std::span<const float* const> rows) {
  std::span<float> to = step.input("rows").f32();
  std::span<int32_t> at = step.input("rows_at").i32();
  const size_t d = to.size() / at.size();
  size_t n = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i]) continue;
    std::copy(rows[i], rows[i] + d, to.begin() + static_cast<std::ptrdiff_t>(n * d));
    at[n++] = static_cast<int32_t>(i);
  }
  for (; n < at.size(); ++n) {
    std::copy(rows[static_cast<size_t>(at[n - 1])], rows[static_cast<size_t>(at[n - 1])] + d,
              to.begin() + static_cast<std::ptrdiff_t>(n * d));
    at[n] = at[n - 1];
  }
}

Program& StepRunner::program(const StepShape& shape) {
  auto found = std::find_if(programs_.begin(), programs_.end(), [&](const StepProgram& p) { return p.shape == shape; });
  if (found != programs_.end()) {
    std::rotate(found, found + 1, programs_.end());
    return *programs_.back().program;
  }
  make_room(shape.n_tokens);
  const Checkpoint& c = *checkpoint_;
  auto graph = cache_.batch() > 1
                   ? batch_step_graph(*c.model, c.weights, cache_)
                   : step_graph(*c.model, c.weights, cache_.layers(), shape.n_tokens, shape.n_rows, shape.logits);
  programs_.push_back({shape, executor_->compile(std::move(graph))});
  ++n_compiled_;
  return *programs_.back().program;
}

size_t StepRunner::activation_bytes() const {
  size_t n = 0;
  for (const StepProgram& p : programs_) n += p.program->activation_bytes();
  return n;
}

// Short and long pieces do not drive each other out; the one-token program always stays.
void StepRunner::make_room(int n_tokens) {
  const bool is_short = n_tokens <= kShort;
  auto same_kind = [&](const StepProgram& p) { return (p.shape.n_tokens <= kShort) == is_short; };
  if (std::count_if(programs_.begin(), programs_.end(), same_kind) < (is_short ? kKeptShort : kKeptLong)) return;
  programs_.erase(std::find_if(programs_.begin(), programs_.end(),
                               [&](const StepProgram& p) { return same_kind(p) && p.shape.n_tokens > 1; }));
}

}  // namespace galago
