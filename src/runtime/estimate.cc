#include "runtime/estimate.h"

#include <algorithm>
#include <map>
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

size_t sum_of_largest(std::vector<size_t> sizes, std::ptrdiff_t n) {
  std::sort(sizes.rbegin(), sizes.rend());
  return std::accumulate(sizes.begin(), sizes.begin() + std::min(std::ssize(sizes), n), size_t{0});
}

// The share of a weight that a node of a one-token graph reads.
double share_read(const Graph& graph, const Node& node) {
  if (node.op == Op::Gather) return 0;
  if (node.op != Op::ExpertLinear) return 1;
  const double n_experts = static_cast<double>(graph.node(node.inputs[1]).shape[0]);
  return std::min(1.0, static_cast<double>(graph.node(node.inputs[2]).shape[1]) / n_experts);
}

template <class T>
void add_new(std::vector<T>& list, const T& item) {
  if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
}

using Place = std::vector<bool>::const_iterator;

// The pieces that places of a prompt are run in.
void add_pieces(std::vector<StepShape>& shapes, Place begin, Place end, std::ptrdiff_t chunk, StepLogits at_end) {
  for (std::ptrdiff_t n; begin < end; begin += n) {
    n = std::min(end - begin, chunk);
    const auto n_rows = std::count(begin, begin + n, true);
    const StepLogits logits = begin + n == end ? at_end : StepLogits::None;
    add_new(shapes, step_shape(static_cast<int>(n), static_cast<int>(n_rows), logits));
  }
}

// What is run for a turn: the pieces of its prompt, and the tokens of the answer with those drafted behind them.
std::vector<StepShape> step_shapes(const std::vector<bool>& prompt, int chunk, const ExpectedUse& use) {
  std::vector<StepShape> shapes;
  const Place behind_pictures = use.eager ? std::find(prompt.rbegin(), prompt.rend(), true).base() : prompt.begin();
  add_pieces(shapes, prompt.begin(), behind_pictures, chunk, StepLogits::None);
  add_pieces(shapes, behind_pictures, prompt.end(), chunk, StepLogits::Last);
  for (int n = 1; n <= 1 + use.max_draft; ++n) add_new(shapes, step_shape(n, 0, StepLogits::All));
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

  // Programs of pictures stay while the prompt is run. Pixels are gone by then, but in the background; the scores of
  // pruning are gone always.
  size_t activations() const {
    const size_t prompt = prompt_programs();
    if (model_.pictures().policy.empty()) return prompt;
    const size_t beside = use_.background ? pixels() + prompt : std::max(pixels(), prompt);
    return picture_programs() + picture_rows() + std::max(beside, importance_program());
  }

 private:
  size_t picture_programs() const {
    std::vector<Shape> shapes;
    for (const SlicePlan& plan : use_.pictures)
      for (const Shape& shape : group_shapes(plan, use_.tile_batch)) add_new(shapes, shape);
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
      for (const Shape& shape : group_shapes(plan, use_.tile_batch)) bytes += row_bytes(DType::F32, shape.elements());
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

  // The prompt without as many places of its picture as will be left out.
  std::vector<bool> kept_prompt() const {
    std::vector<bool> prompt = use_.prompt;
    if (use_.pictures.size() != 1) return prompt;
    const TokenPruning pruning = model_.pruning(use_.pictures[0]);
    const auto first = std::find(prompt.begin(), prompt.end(), true);
    const auto n = pruning.n_candidates - pruning.n_kept + (pruning.drop_next ? 1 : 0);
    if (std::distance(first, prompt.end()) >= n) prompt.erase(first, first + n);
    return prompt;
  }

  size_t prompt_programs() const {
    const int chunk = std::min(use_.chunk, n_context_);
    const auto& prompt = use_.prompt.empty() ? std::vector<bool>(static_cast<size_t>(chunk)) : kept_prompt();
    std::vector<size_t> short_ones, long_ones;
    for (const StepShape& s : step_shapes(prompt, chunk, use_))
      (s.n_tokens <= StepRunner::kShort ? short_ones : long_ones)
          .push_back(program_bytes_(*step_graph(model_, weights_, caches_, s.n_tokens, s.n_rows, s.logits)));
    return sum_of_largest(std::move(short_ones), StepRunner::kKeptShort) +
           sum_of_largest(std::move(long_ones), StepRunner::kKeptLong);
  }

  const Model& model_;
  const Weights& weights_;
  const ExpectedUse& use_;
  std::vector<LayerCache> caches_;
  int n_context_;
  const ProgramBytes& program_bytes_;
};

}  // namespace

DecodeBytes decode_bytes(const Checkpoint& checkpoint, CacheTypes types) {
  auto graph = sequence_graph(*checkpoint.model, checkpoint.weights, 1, 0, 1);
  std::map<const Weight*, double> shares;  // a weight that is read twice stays in the caches
  for (const Node& node : graph->nodes())
    for (Value input : node.inputs)
      if (const Weight* weight = graph->node(input).weight.get())
        shares[weight] = std::max(shares[weight], share_read(*graph, node));
  DecodeBytes bytes{.per_place = static_cast<double>(cache_bytes(checkpoint.model->cache(), 1, types))};
  for (auto [weight, share] : shares) bytes.weights += share * static_cast<double>(weight->data.n_bytes());
  return bytes;
}

Operations count_operations(const Graph& graph) {
  Operations all;
  for (const Node& node : graph.nodes()) {
    const bool convolves = node.op == Op::Conv2d;
    if (!convolves && node.op != Op::Linear && node.op != Op::ExpertLinear) continue;
    const Weight* weight = graph.node(node.inputs[1]).weight.get();
    if (!weight) continue;
    const Shape& shape = weight->data.shape();
    const int64_t length = convolves ? shape.elements() / shape[0] : shape.last();  // of the sum behind one value
    const DType dtype = weight->data.dtype();
    double& kind = info(dtype).quantized() ? all.bytes : dtype == DType::BF16 && !convolves ? all.bf16 : all.floats;
    kind += 2.0 * static_cast<double>(length * node.shape.elements());
  }
  return all;
}

Operations prompt_operations(const Checkpoint& checkpoint, int n_tokens) {
  auto caches = unbacked_caches(checkpoint.model->cache(), n_tokens, {});
  return count_operations(*step_graph(*checkpoint.model, checkpoint.weights, caches, n_tokens, 0, StepLogits::Last));
}

Operations picture_operations(const Checkpoint& checkpoint, const SlicePlan& plan) {
  Operations all;
  for (const Shape& pixels : group_shapes(plan, 0)) {
    const Operations own = count_operations(*encode_graph(*checkpoint.model, checkpoint.weights, pixels));
    all.floats += own.floats;
    all.bytes += own.bytes;
    all.bf16 += own.bf16;
  }
  return all;
}

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
