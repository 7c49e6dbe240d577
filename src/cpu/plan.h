// Where every value of a graph lives. Activations share one arena: a value's place is free again after its last reader.
// Pure arithmetic on the graph, tested without running anything.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "graph/executor.h"

namespace galago::cpu {

constexpr size_t kAlignment = 64;  // a cache line and the widest vector

inline size_t align_up(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// In use from step `first` to step `last`, both included.
struct Lifetime {
  int first, last;
  size_t bytes;
};

struct Placement {
  std::vector<size_t> offsets;  // as the lifetimes given; multiples of kAlignment
  size_t total = 0;             // bytes of the arena
};

// Largest first, each into the smallest gap that fits between those alive at the same time ("greedy by size",
// Pisarchyk and Lee 2020, arXiv:2001.03288).
Placement place(std::span<const Lifetime> lifetimes);

struct MemoryPlan {
  // One a node. `home` is the node whose memory it uses: itself, or the value it is a view of or overwrites.
  struct Slot {
    uint32_t home;
    bool in_arena;  // false: a weight's or a state's memory
    bool needed;    // false: nobody reads the result, the node is skipped
    size_t offset;  // in the arena
  };
  std::vector<Slot> slots;
  size_t arena_bytes = 0;
};

// Inputs and outputs (and with keep_named every named value) keep their memory through the whole run.
MemoryPlan plan_memory(const Graph& graph, const CompileOptions& options);

}  // namespace galago::cpu
