// The memory that running a model takes, told before any of it is used. For `galago inspect`, `run` and the server.
#pragma once

#include <functional>

#include "runtime/checkpoint.h"
#include "runtime/kv_cache.h"

namespace galago {

struct MemoryEstimate {  // bytes
  int n_context = 0;
  size_t weights = 0;      // as stored; copies that an executor packs take their place
  size_t cache = 0;        // keys and values
  size_t activations = 0;  // programs that are kept for pictures and for pieces of the prompt, and rows of pictures
  size_t total() const { return weights + cache + activations; }
};

// The largest turn that a session will be asked for.
struct ExpectedUse {
  int n_context = 0;  // 0: what a session takes by default
  int chunk = 512;    // longest piece of prompt run at once
  CacheTypes types;
  std::vector<SlicePlan> pictures = {};  // none: one tile, so that a picture may come
  // A place of the prompt each, true where a row of a picture stands; empty: one chunk of text.
  std::vector<bool> prompt = {};
};

// ExpectedUse::prompt of a turn that Model::prompt has put together.
std::vector<bool> picture_places(std::span<const PromptPiece> prompt);

// What an executor needs for one program, for example cpu::program_bytes.
using ProgramBytes = std::function<size_t(const Graph&)>;

// Throws InvalidInput if the model has no places for so many tokens.
MemoryEstimate estimate_memory(const Checkpoint& checkpoint, const ExpectedUse& use, const ProgramBytes& program_bytes);

}  // namespace galago
