#include "runtime/estimate.h"

#include <algorithm>
#include <numeric>

#include "runtime/graphs.h"
#include "runtime/picture_encoder.h"
#include "runtime/session.h"
#include "runtime/step_runner.h"

namespace galago {
namespace {

// The cache as the session lays it out, without its memory: planning never looks inside.
std::vector<LayerCache> unbacked_caches(const CacheSpec& spec, int n_context, CacheTypes types) {
  static std::byte nowhere;
  auto state = [&](const char* what, int i, DType type, int width) {
    Tensor data = Tensor::view(type, {1, n_context, spec.n_kv_heads, width}, &nowhere, nullptr);
    return std::make_shared<State>(State{fmt::format("cache.{}.{}", i, what), data});
  };
  const int value_width = spec.d_value > 0 ? spec.d_value : spec.d_head;
  std::vector<LayerCache> caches;
  for (int i = 0; i < spec.n_layers; ++i)
    caches.push_back({state("key", i, types.key, spec.d_head), state("value", i, types.value, value_width)});
  return caches;
}

size_t sum_of_largest(std::vector<size_t> sizes, size_t n) {
  std::sort(sizes.rbegin(), sizes.rend());
  sizes.resize(std::min(sizes.size(), n));
  return std::accumulate(sizes.begin(), sizes.end(), size_t{0});
}

template <class T>
void add_new(std::vector<T>& list, const T& item) {
  if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
}

// Tiles of one view each, as PictureEncoder runs them.
std::vector<Shape> view_shapes(const SlicePlan& plan) {
  std::vector<Shape> shapes;
  for (const SliceView& view : plan.views) shapes.push_back({view.n_tiles(), 3, view.tile_height(), view.tile_width()});
  return shapes;
}

// The pieces that a prompt is run in and the token behind them.
std::vector<StepShape> step_shapes(const std::vector<bool>& prompt, size_t chunk) {
  std::vector<StepShape> shapes{step_shape(1, 0, true)};
  for (size_t begin = 0; begin < prompt.size(); begin += chunk) {
    const size_t end = std::min(begin + chunk, prompt.size());
    const auto at = prompt.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto n_rows = std::count(at, prompt.begin() + static_cast<std::ptrdiff_t>(end), true);
    add_new(shapes, step_shape(static_cast<int>(end - begin), static_cast<int>(n_rows), end == prompt.size()));
  }
  return shapes;
}

class Estimator {
 public:
  Estimator(const Checkpoint& checkpoint, const ExpectedUse& use, int n_context, const ProgramBytes& program_bytes)
      : model_(*checkpoint.model),
        weights_(checkpoint.weights),
        use_(use),
        caches_(unbacked_caches(model_.cache(), n_context, use.types)),
        n_context_(n_context),
        program_bytes_(program_bytes) {}

  // Programs of pictures stay while the prompt is run; pixels and the scores of pruning are gone by then.
  size_t activations() const {
    if (model_.pictures().policy.empty()) return prompt_programs();
    return picture_programs() + picture_rows() + std::max({pixels(), importance_program(), prompt_programs()});
  }

 private:
  size_t picture_programs() const {
    std::vector<Shape> shapes;
    for (const SlicePlan& plan : use_.pictures)
      for (const Shape& shape : view_shapes(plan)) add_new(shapes, shape);
    const int side = model_.pictures().slice.tile;
    if (shapes.empty()) shapes.push_back({1, 3, side, side});
    std::vector<size_t> sizes;
    for (const Shape& shape : shapes) sizes.push_back(program_bytes_(*encode_graph(model_, weights_, shape)));
    return sum_of_largest(std::move(sizes), PictureEncoder::kKeptPrograms);
  }

  size_t picture_rows() const {
    size_t tiles = 0;
    for (const SlicePlan& plan : use_.pictures) tiles += static_cast<size_t>(plan.n_tiles());
    return tiles * static_cast<size_t>(model_.pictures().tokens_per_tile) * row_bytes(DType::F32, model_.d_model());
  }

  size_t pixels() const {  // of the largest picture, while it is encoded
    size_t largest = 0;
    for (const SlicePlan& plan : use_.pictures) {
      size_t bytes = 0;
      for (const Shape& shape : view_shapes(plan)) bytes += row_bytes(DType::F32, shape.elements());
      largest = std::max(largest, bytes);
    }
    return largest;
  }

  size_t importance_program() const {
    if (use_.pictures.size() != 1 || use_.prompt.empty()) return 0;
    TokenPruning pruning = model_.pruning(use_.pictures[0]);
    if (pruning.n_candidates == pruning.n_kept) return 0;
    const auto first = std::find(use_.prompt.begin(), use_.prompt.end(), true) - use_.prompt.begin();
    const auto n_rows = std::count(use_.prompt.begin(), use_.prompt.end(), true);
    return program_bytes_(*importance_graph(model_, weights_, static_cast<int>(use_.prompt.size()),
                                            static_cast<int>(n_rows), static_cast<int>(first), pruning));
  }

  size_t prompt_programs() const {
    const size_t chunk = static_cast<size_t>(std::min(use_.chunk, n_context_));
    const auto& prompt = use_.prompt.empty() ? std::vector<bool>(chunk) : use_.prompt;
    std::vector<size_t> sizes;
    for (const StepShape& s : step_shapes(prompt, chunk))
      sizes.push_back(program_bytes_(*step_graph(model_, weights_, caches_, s.n_tokens, s.n_rows, s.with_logits)));
    return sum_of_largest(std::move(sizes), StepRunner::kKeptPrograms);
  }

  const Model& model_;
  const Weights& weights_;
  const ExpectedUse& use_;
  std::vector<LayerCache> caches_;
  int n_context_;
  const ProgramBytes& program_bytes_;
};

}  // namespace

std::vector<bool> picture_places(std::span<const PromptPiece> prompt) {
  std::vector<bool> places;
  for (const PromptPiece& piece : prompt) {
    places.insert(places.end(), piece.ids.size(), false);
    if (piece.picture >= 0) places.insert(places.end(), piece.rows.size(), true);
  }
  return places;
}

MemoryEstimate estimate_memory(const Checkpoint& checkpoint, const ExpectedUse& use,
                               const ProgramBytes& program_bytes) {
  MemoryEstimate m{.n_context = context_length(checkpoint, use.n_context)};
  for (const auto& [name, weight] : checkpoint.weights) m.weights += weight->data.n_bytes();
  m.cache = cache_bytes(checkpoint.model->cache(), m.n_context, use.types);
  m.activations = Estimator(checkpoint, use, m.n_context, program_bytes).activations();
  return m;
}

}  // namespace galago
