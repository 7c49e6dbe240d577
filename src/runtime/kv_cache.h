// The memory of a session: keys and values of every layer, one block of bytes. Written by kv_append and read by
// attention; copied row by row between the branches of a beam search, and to and from files.
#pragma once

#include <vector>

#include "models/model.h"

namespace galago {

struct CacheTypes {
  DType key = DType::F16, value = DType::F16;
};

// Not synchronised. Graphs hold its states, so it must not move; make a new one instead.
class KvCache {
 public:
  // [batch, n_context, heads, width] a layer. Throws InvalidInput unless both types are F32, F16 or Q8_0 and, for Q8_0,
  // a head is a whole number of blocks of 32. `n_rotated`: the context of the cache that rows are copied from, where it
  // is longer: keys turn by the context (LayerCache::n_context).
  KvCache(const CacheSpec& spec, int n_context, CacheTypes types, int batch = 1, int n_rotated = 0);

  std::span<const LayerCache> layers() const { return layers_; }
  int n_context() const { return n_context_; }
  int batch() const { return batch_; }
  size_t n_bytes() const { return memory_.n_bytes(); }

  // Keys, values, keys ... of all layers: the bytes of rows begin .. end-1 (one row a token).
  size_t n_parts() const { return 2 * layers_.size(); }
  std::span<std::byte> rows(size_t part, int begin, int end, int batch = 0) const;
  struct Place {
    int batch, row;
  };
  // n rows of a cache of the same model and types.
  void copy_rows(const KvCache& from, Place first, Place to, int n);

 private:
  const State& part(size_t index) const;
  int n_context_, batch_;
  Tensor memory_;  // I8, all layers
  std::vector<LayerCache> layers_;
};

// Bytes that a cache takes; throws like the constructor.
size_t cache_bytes(const CacheSpec& spec, int n_context, CacheTypes types, int batch = 1);

}  // namespace galago
