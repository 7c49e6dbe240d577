#include "runtime/kv_cache.h"

#include <cstring>

namespace galago {
namespace {

int value_width(const CacheSpec& spec) { return spec.d_value > 0 ? spec.d_value : spec.d_head; }

size_t row_bytes_of(const CacheSpec& spec, DType type, int width, const char* what) {
  if (type != DType::F32 && type != DType::F16 && type != DType::Q8_0)
    throw invalid_input("cache type {}: expected f32, f16 or q8_0", info(type).name);
  const DTypeInfo& format = info(type);
  if (width % static_cast<int>(format.block_values) != 0)
    throw invalid_input("cache type {}: the heads of this model's {} are {} wide and blocks hold {} values; use f16",
                        format.name, what, width, format.block_values);
  return row_bytes(type, static_cast<int64_t>(spec.n_kv_heads) * width);
}

struct LayerBytes {
  size_t keys, values;  // of one sequence and layer
  LayerBytes(const CacheSpec& spec, int n_context, CacheTypes types)
      : keys(row_bytes_of(spec, types.key, spec.d_head, "keys") * static_cast<size_t>(n_context)),
        values(row_bytes_of(spec, types.value, value_width(spec), "values") * static_cast<size_t>(n_context)) {}
};

}  // namespace

size_t cache_bytes(const CacheSpec& spec, int n_context, CacheTypes types, int batch) {
  LayerBytes layer(spec, n_context, types);
  return (layer.keys + layer.values) * static_cast<size_t>(spec.n_layers) * static_cast<size_t>(batch);
}

KvCache::KvCache(const CacheSpec& spec, int n_context, CacheTypes types, int batch, int n_rotated)
    : n_context_(n_context), batch_(batch) {
  memory_ = Tensor::make(DType::I8, {static_cast<int64_t>(cache_bytes(spec, n_context, types, batch))});
  LayerBytes layer(spec, n_context, types);
  std::byte* at = memory_.bytes();
  auto state = [&](const char* what, int i, DType type, int width, size_t bytes) {
    Tensor data = Tensor::view(type, {batch, n_context, spec.n_kv_heads, width}, at, memory_.owner());
    at += bytes * static_cast<size_t>(batch);
    return std::make_shared<State>(State{fmt::format("cache.{}.{}", i, what), data});
  };
  for (int i = 0; i < spec.n_layers; ++i) {
    StateRef key = state("key", i, types.key, spec.d_head, layer.keys);
    layers_.push_back({key, state("value", i, types.value, value_width(spec), layer.values), n_rotated});
  }
}

const State& KvCache::part(size_t index) const {
  const LayerCache& layer = layers_[index / 2];
  return index % 2 == 0 ? *layer.key : *layer.value;
}

std::span<std::byte> KvCache::rows(size_t index, int begin, int end, int batch) const {
  const Tensor& data = part(index).data;
  const size_t row = data.n_bytes() / static_cast<size_t>(batch_) / static_cast<size_t>(n_context_);
  const size_t first = static_cast<size_t>(batch) * static_cast<size_t>(n_context_) + static_cast<size_t>(begin);
  return {data.bytes() + first * row, static_cast<size_t>(end - begin) * row};
}

void KvCache::copy_rows(const KvCache& from, Place first, Place to, int n) {
  CHECK(from.n_parts() == n_parts(), "caches of two models");
  for (size_t i = 0; i < n_parts(); ++i) {
    auto source = from.rows(i, first.row, first.row + n, first.batch), target = rows(i, to.row, to.row + n, to.batch);
    CHECK(source.size() == target.size(), "caches of two models or types");
    if (!source.empty()) std::memcpy(target.data(), source.data(), source.size());
  }
}

}  // namespace galago
