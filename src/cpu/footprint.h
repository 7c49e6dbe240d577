// What a program would take in memory, told without making it: for estimates before a model is run.
#pragma once

#include "graph/graph.h"

namespace galago::cpu {

// Bytes that a program of this graph holds for values, scratch and prepared inputs with so many threads, as
// Program::activation_bytes() of the fast executor says. Weights are looked at for their shapes only.
size_t program_bytes(const Graph& graph, int n_threads);

}  // namespace galago::cpu
