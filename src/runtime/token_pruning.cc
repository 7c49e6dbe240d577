#include "runtime/token_pruning.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "runtime/graphs.h"

namespace galago {
namespace {

int first_picture_place(const PromptRows& prompt) {
  auto found = std::find_if(prompt.rows.begin(), prompt.rows.end(), [](const float* row) { return row; });
  return static_cast<int>(found - prompt.rows.begin());
}

void check_candidates(const PromptRows& prompt, int first, int n) {
  auto begin = prompt.rows.begin() + first;
  if (std::ssize(prompt.rows) - first <= n || std::find(begin, begin + n, nullptr) != begin + n)
    throw invalid_input("the prompt has fewer than {} picture rows in one run with something behind them", n);
}

void fill_inputs(Program& program, const PromptRows& prompt, int64_t d) {
  std::transform(prompt.ids.begin(), prompt.ids.end(), program.input("ids").i32().begin(),
                 [](int32_t id) { return std::max(id, 0); });
  std::span<int32_t> positions = program.input("positions").i32();
  std::iota(positions.begin(), positions.end(), 0);
  auto to = program.input("rows").f32().begin();
  auto at = program.input("rows_at").i32().begin();
  for (size_t i = 0; i < prompt.rows.size(); ++i) {
    if (!prompt.rows[i]) continue;
    to = std::copy(prompt.rows[i], prompt.rows[i] + d, to);
    *at++ = static_cast<int32_t>(i);
  }
}

}  // namespace

std::vector<float> importance(const Model& model, const Weights& weights, Executor& executor, const PromptRows& prompt,
                              const TokenPruning& pruning) {
  CHECK(prompt.ids.size() == prompt.rows.size());
  int first = first_picture_place(prompt);
  check_candidates(prompt, first, pruning.n_candidates);
  int n_tokens = static_cast<int>(prompt.ids.size());
  int n_rows = n_tokens - static_cast<int>(std::count(prompt.rows.begin(), prompt.rows.end(), nullptr));
  auto program = executor.compile(importance_graph(model, weights, n_tokens, n_rows, first, pruning));
  fill_inputs(*program, prompt, model.d_model());
  program->run();
  Tensor scores = program->output("importance");
  return {scores.f32().begin(), scores.f32().end()};
}

std::vector<int32_t> kept_places(int n_places, int first, const TokenPruning& pruning, std::span<const float> scores) {
  CHECK(std::ssize(scores) == pruning.n_candidates && pruning.n_kept <= pruning.n_candidates);
  CHECK(first + pruning.n_candidates <= n_places);
  std::vector<int32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return scores[a] > scores[b]; });
  std::vector<bool> stays(static_cast<size_t>(n_places), true);
  for (size_t i = static_cast<size_t>(pruning.n_kept); i < order.size(); ++i) stays[first + order[i]] = false;
  int next = first + pruning.n_candidates;
  if (pruning.drop_next && next < n_places) stays[next] = false;
  std::vector<int32_t> kept;
  for (int32_t place = 0; place < n_places; ++place)
    if (stays[place]) kept.push_back(place);
  return kept;
}

PromptRows pruned_prompt(const Model& model, const Weights& weights, Executor& executor, PromptRows prompt,
                         const SlicePlan& plan) {
  TokenPruning pruning = model.pruning(plan);
  if (pruning.n_candidates == pruning.n_kept && !pruning.drop_next) return prompt;
  std::vector<float> scores = importance(model, weights, executor, prompt, pruning);
  PromptRows kept;
  for (int32_t place : kept_places(static_cast<int>(prompt.ids.size()), first_picture_place(prompt), pruning, scores)) {
    kept.ids.push_back(prompt.ids[place]);
    kept.rows.push_back(prompt.rows[place]);
  }
  return kept;
}

}  // namespace galago
