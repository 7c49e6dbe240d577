#include "runtime/estimate.h"

#include <algorithm>
#include <map>

#include "runtime/graphs.h"
#include "runtime/session.h"

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

size_t picture_bytes(const Checkpoint& checkpoint, const ArenaBytes& arena_bytes) {
  const PictureSpec pictures = checkpoint.model->pictures();
  if (pictures.policy.empty()) return 0;
  const int side = pictures.slice.tile;
  return arena_bytes(*encode_graph(*checkpoint.model, checkpoint.weights, {1, 3, side, side}));
}

// The share of a weight that a node of a one-token graph reads.
double share_read(const Graph& graph, const Node& node) {
  if (node.op == Op::Gather) return 0;
  if (node.op != Op::ExpertLinear) return 1;
  const double n_experts = static_cast<double>(graph.node(node.inputs[1]).shape[0]);
  return std::min(1.0, static_cast<double>(graph.node(node.inputs[2]).shape[1]) / n_experts);
}

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
    const bool blocks = info(weight->data.dtype()).block_values > 1;
    (blocks ? all.bytes : all.floats) += 2.0 * static_cast<double>(length * node.shape.elements());
  }
  return all;
}

Operations prompt_operations(const Checkpoint& checkpoint, int n_tokens) {
  auto caches = unbacked_caches(checkpoint.model->cache(), n_tokens, {});
  return count_operations(*step_graph(*checkpoint.model, checkpoint.weights, caches, n_tokens, 0, StepLogits::Last));
}

Operations picture_operations(const Checkpoint& checkpoint, const SlicePlan& plan) {
  Operations all;
  for (const SliceView& view : plan.views) {
    const Shape pixels{view.n_tiles(), 3, view.tile_height(), view.tile_width()};
    const Operations own = count_operations(*encode_graph(*checkpoint.model, checkpoint.weights, pixels));
    all.floats += own.floats;
    all.bytes += own.bytes;
  }
  return all;
}

MemoryEstimate estimate_memory(const Checkpoint& checkpoint, int n_context, int chunk, CacheTypes types,
                               const ArenaBytes& arena_bytes) {
  const CacheSpec spec = checkpoint.model->cache();
  MemoryEstimate m{.n_context = context_length(checkpoint, n_context)};
  for (const auto& [name, weight] : checkpoint.weights) m.weights += weight->data.n_bytes();
  m.cache = cache_bytes(spec, m.n_context, types);
  auto caches = unbacked_caches(spec, m.n_context, types);
  auto step =
      step_graph(*checkpoint.model, checkpoint.weights, caches, std::min(chunk, m.n_context), 0, StepLogits::Last);
  m.activations = arena_bytes(*step) + picture_bytes(checkpoint, arena_bytes);
  return m;
}

}  // namespace galago
