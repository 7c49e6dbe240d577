// What the fuzzers of models do with a model that a hostile config or file has made: everything that is done with one
// before it runs. Each step may throw galago::Error; nothing else may happen.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "runtime/graphs.h"
#include "text/train_bpe.h"

namespace galago::fuzz {

template <class Step>
void attempt(Step&& step) {
  try {
    step();
  } catch (const Error&) {
  }
}

// Weights of the right shapes without memory: building a graph never looks inside.
inline Weights unbacked_weights(const Model& model) {
  static std::byte nowhere;
  Weights weights;
  for (const WeightSpec& spec : model.weights())
    weights[spec.name] =
        std::make_shared<Weight>(Weight{spec.name, Tensor::view(DType::F32, spec.shape, &nowhere, nullptr)});
  return weights;
}

inline std::vector<LayerCache> unbacked_caches(const CacheSpec& spec) {
  constexpr int kContext = 16;
  static std::byte nowhere;
  auto state = [&](int width) {
    Tensor data = Tensor::view(DType::F16, {1, kContext, spec.n_kv_heads, width}, &nowhere, nullptr);
    return std::make_shared<State>(State{"cache", data});
  };
  std::vector<LayerCache> caches;
  for (int i = 0; i < spec.n_layers; ++i)
    caches.push_back({state(spec.d_head), state(spec.d_value > 0 ? spec.d_value : spec.d_head)});
  return caches;
}

inline const Tokenizer& byte_tokenizer() {
  static const Tokenizer tokenizer = train_bpe(std::vector<std::string>{"what is this?"}, {.vocab_size = 270});
  return tokenizer;
}

// Large models are not wrong, but building many blocks over and over finds nothing new.
inline bool is_small(const Model& model) {
  constexpr int64_t kParameters = 1 << 24;
  constexpr int kBlocks = 16;
  return model.cache().n_layers <= kBlocks && count_parameters(model) <= kParameters;
}

// A turn with one picture of each of these sizes, from a line to a strip.
inline void use_pictures(const Model& model, const Weights& weights) {
  constexpr int kSizes[][2] = {{1, 1}, {640, 480}, {65535, 1}, {1, 65535}, {3000, 2000}};
  constexpr int64_t kPixels = 1 << 20, kTokens = 1 << 16;  // beyond, only time is spent
  PictureSpec spec = model.pictures();
  if (spec.policy.empty()) return;
  for (const auto& size : kSizes)
    attempt([&] {
      SlicePlan plan = find_slicing_policy(spec.policy).plan(size[0], size[1], spec.slice);
      model.pruning(plan);
      if (int64_t{plan.n_tiles()} * spec.tokens_per_tile > kTokens) return;
      std::vector<TurnPart> parts{{.picture = &plan}, {.text = "what is this?"}};
      attempt([&] { model.prompt(byte_tokenizer(), {.parts = parts}); });
      for (const SliceView& view : plan.views)
        if (int64_t{view.tile_width()} * view.tile_height() <= kPixels)
          encode_graph(model, weights, {1, 3, view.tile_height(), view.tile_width()});
    });
}

inline void build_graphs(const Model& model, const Weights& weights) {
  if (!is_small(model)) return;
  use_pictures(model, weights);
  attempt([&] { extra_rows_graph(model, weights); });
  attempt([&] { step_graph(model, weights, unbacked_caches(model.cache()), 3, 2, StepLogits::Last); });
  attempt([&] { importance_graph(model, weights, 9, 4, 2, {.n_candidates = 4, .n_kept = 2}); });
}

inline void use_model(const Model& model) {
  attempt([&] { model.weights(Dialect::LlamaCpp); });
  std::vector<TurnPart> parts{{.text = "what is this?"}};
  attempt([&] { model.prompt(byte_tokenizer(), {.parts = parts}); });
  model.sampling();
  model.stop_strings();
  attempt([&] { build_graphs(model, unbacked_weights(model)); });
}

}  // namespace galago::fuzz
