// Executor: turns a Graph into a Program that can be run many times. Two exist: cpu (cpu/executor.h: ours, fast, quantized)
// and torch (torch/executor.h: training, CUDA, second opinion). Nothing in a model knows which one runs it.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace galago {

struct CompileOptions {
  bool keep_named = false;  // keep every named value readable through output() after run()
};

// One graph, planned and ready. Not thread-safe. Writes to a program's input, run(), reads its outputs; no allocation in run()
// on the cpu executor.
class Program {
 public:
  virtual ~Program() = default;
  virtual Tensor input(std::string_view name) = 0;   // memory of the program: write before run()
  virtual Tensor output(std::string_view name) = 0;  // memory of the program: read after run(), valid until the next run()
  virtual void run() = 0;  // throws InvalidInput for ids or positions out of range
  // Bytes of activation memory the program holds.
  virtual size_t activation_bytes() const = 0;
};

// Thread-safe for compile(). Programs keep what they need of the executor alive. Packed or converted weights are shared
// by all programs of one executor.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual std::string_view name() const = 0;  // "cpu", "torch"
  virtual std::unique_ptr<Program> compile(std::shared_ptr<const Graph> graph, const CompileOptions& options = {}) = 0;
  // Drops the executor's own copy of a weight, to save memory. Programs that use it keep it; the next one makes it anew.
  virtual void forget(const Weight&) {}
};

}  // namespace galago
