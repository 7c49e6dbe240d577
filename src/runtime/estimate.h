// The memory that running a model takes, told before any of it is used, and what of it every token reads. For `galago
// inspect`, `run`, `bench` and the server.
#pragma once

#include <functional>

#include "runtime/checkpoint.h"
#include "runtime/kv_cache.h"

namespace galago {

struct MemoryEstimate {  // bytes
  int n_context = 0;
  size_t weights = 0;      // as stored; copies that an executor packs are not counted
  size_t cache = 0;        // keys and values
  size_t activations = 0;  // of a prompt's piece and of a picture's tile, scratch of kernels not counted
  size_t total() const { return weights + cache + activations; }
};

// What decoding one token reads: it cannot take less time than this.
struct DecodeBytes {
  double weights = 0;    // as stored; one row of tables, and of experts those that a token is sent to
  double per_place = 0;  // keys and values of one place of the cache
  double at(double n_past) const { return weights + per_place * n_past; }
};
DecodeBytes decode_bytes(const Checkpoint& checkpoint, CacheTypes types);

// Multiplications and additions of the products and convolutions with weights in one run of a graph; attention is not
// counted. Block formats are multiplied as bytes, the others as floats.
struct Operations {
  double floats = 0, bytes = 0;
};
Operations count_operations(const Graph& graph);
Operations prompt_operations(const Checkpoint& checkpoint, int n_tokens);       // run in one piece
Operations picture_operations(const Checkpoint& checkpoint, const SlicePlan&);  // all tiles

// What an executor needs for the values of one run of a graph: cpu::plan_memory(graph, {}).arena_bytes.
using ArenaBytes = std::function<size_t(const Graph&)>;

// n_context 0: what a session takes by default. Throws InvalidInput if the model has no places for so many tokens.
MemoryEstimate estimate_memory(const Checkpoint& checkpoint, int n_context, int chunk, CacheTypes types,
                               const ArenaBytes& arena_bytes);

}  // namespace galago
