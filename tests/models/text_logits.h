// Logits of a text model for token ids: the whole sequence at once, and in pieces through the key/value cache.
#pragma once

#include <cmath>
#include <numeric>

#include "runtime/graphs.h"
#include "runtime/trace.h"

namespace galago::testing {

// [T, V] of the whole sequence; pictures, if there are any, stand in front of the ids.
inline std::vector<float> logits_of(const Model& model, const Weights& weights, Executor& executor,
                                    const std::vector<int32_t>& ids, std::span<const Image> pictures = {}) {
  Tensor logits = run_trace(model, weights, executor, trace_input(model, ids, pictures), "logits")["logits"];
  return {logits.f32().begin(), logits.f32().end()};
}

// [V] of the last token, with at most `chunk` tokens a call.
inline std::vector<float> cached_logits_of(const Model& model, const Weights& weights, Executor& executor,
                                           const std::vector<int32_t>& ids, int chunk) {
  CacheSpec spec = model.cache();
  std::vector<LayerCache> caches;
  int n = static_cast<int>(ids.size());
  auto state = [&](int width) {
    return std::make_shared<State>(State{"cache", Tensor::make(DType::F32, {1, n, spec.n_kv_heads, width})});
  };
  for (int i = 0; i < spec.n_layers; ++i)
    caches.push_back({state(spec.d_head), state(spec.d_value > 0 ? spec.d_value : spec.d_head)});
  std::vector<float> last;
  for (int past = 0; past < n; past += chunk) {
    int count = std::min(chunk, n - past);
    auto program = executor.compile(step_graph(model, weights, caches, count, 0, StepLogits::Last));
    std::copy_n(ids.begin() + past, count, program->input("ids").i32().begin());
    std::iota(program->input("positions").i32().begin(), program->input("positions").i32().end(), past);
    program->input("past").i32()[0] = past;
    program->run();
    std::span<float> logits = program->output("logits").f32();
    last.assign(logits.begin(), logits.end());
  }
  return last;
}

// Largest difference over the largest value.
inline double relative_difference(std::span<const float> got, std::span<const float> want) {
  double largest = 0, difference = got.size() == want.size() ? 0 : INFINITY;
  for (size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(want[i])));
    difference = std::max(difference, std::fabs(static_cast<double>(got[i]) - want[i]));
    if (std::isnan(got[i])) difference = INFINITY;
  }
  return difference / largest;
}

}  // namespace galago::testing
