// What the executor and the ops of the cpu share. Each row of graph/ops.def has one function here that gives its CpuOp;
// a forgotten one does not link. An op lives in cpu/ops/<family>.cc: its scalar meaning first, its fast path second.
#pragma once

#include <span>

#include "base/thread_pool.h"
#include "graph/graph.h"

namespace galago::cpu {

// One call of an op. Inputs and output are resolved to memory when the program is compiled; nothing here allocates.
struct OpCall {
  const Node& node;
  std::span<const Tensor> in;  // as node.inputs; a weight may be any number format
  const Tensor& out;           // may share memory with an input only if the op says `in_place`
  const Tensor& packed;        // what `pack` made of in[1]; undefined if the op has no pack function
  ThreadPool& pool;
  std::span<std::byte> scratch;        // what `scratch_bytes` asked for, 64-byte aligned, contents undefined
  std::span<std::byte> prepared = {};  // what CpuOp::prepared asked for, 64-byte aligned ...
  bool is_prepared = false;            // ... and whether an op before this one has filled it from the same in[0]
  bool exact = false;                  // the bits of a row may not depend on how many rows are computed at once
  bool narrow = false;                 // the program's weights are rounded to few bits, so activations may be as well
};

// Another form of in[0] that an op reads.
struct Prepared {
  size_t bytes = 0;      // 0: in[0] is read as it is
  bool integer = false;  // one form for integers, one for floats
};

struct CpuOp {
  // The meaning: short, single-threaded, no SIMD. Tested against torch and used by executors made with Mode::Scalar.
  void (*scalar)(const OpCall& call);
  // The same within rounding: vectorised through kernels(), on the pool where it pays.
  void (*fast)(const OpCall& call);
  bool in_place = false;  // out may be the memory of in[0] when shapes and types are equal and nobody reads in[0] later
  bool view = false;      // out is in[0] reinterpreted: no code runs (reshape)
  bool writes_state =
      false;  // out is in[0], a state, after the write (kv_append): always the same memory, never skipped
  size_t (*scratch_bytes)(const Node& node, std::span<const Tensor> in, int n_threads) = nullptr;
  // For ops that read in[0] in another form (linear: quantized). It is kept until an op needs another one, so that the
  // projections of one input share it.
  Prepared (*prepared)(const Node& node, std::span<const Tensor> in) = nullptr;
  // Rearranges the weight in[1] for the fast path, once a weight (shared by all programs of an executor); returns an
  // undefined Tensor to use in[1] as it is.
  Tensor (*pack)(const Node& node, const Weight& weight) = nullptr;
};

#define OP(name, text, min_inputs, max_inputs, differentiable) CpuOp make_##name();
#include "graph/ops.def"
#undef OP

const CpuOp& cpu_op(Op op);

}  // namespace galago::cpu
