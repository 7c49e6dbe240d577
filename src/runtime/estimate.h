// The memory that running a model takes, told before any of it is used, and what of it every token reads. For `galago
// inspect`, `run`, `bench` and the server.
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
  double floats = 0, bytes = 0, bf16 = 0;
};
Operations count_operations(const Graph& graph);
Operations prompt_operations(const Checkpoint& checkpoint, int n_tokens);       // run in one piece
Operations picture_operations(const Checkpoint& checkpoint, const SlicePlan&);  // all tiles

// The largest turn that a session will be asked for.
struct ExpectedUse {
  int n_context = 0;  // 0: what a session takes by default
  int chunk = 512;    // longest piece of prompt run at once
  CacheTypes types;
  int tile_batch = 0;                    // EncoderOptions::tile_batch
  int max_draft = 0;                     // tokens drafted behind one
  bool background = false;               // pictures are encoded while the prompt is run
  bool eager = false;                    // pictures are run before the rest of the prompt: Session::prefill_pictures()
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
