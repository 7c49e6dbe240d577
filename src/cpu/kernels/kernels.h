// The table of inner loops, chosen once at start for this processor. Ops call `kernels().name(...)`.
// GALAGO_ISA=NAME in the environment (isas.def) forces a level: an Error if it is unknown or the processor lacks it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "cpu/kernels/calls.h"
#include "graph/attrs.h"

namespace galago::cpu {

enum class Isa {
#define ISA(name, space) name,
#include "cpu/kernels/isas.def"
#undef ISA
};
enum class BinaryKind { Add, Sub, Mul, Div };

struct Kernels {
  Isa isa;
#define KERNEL(name, result, arguments) result(*name) arguments;
#include "cpu/kernels/kernels.def"
#undef KERNEL
};

std::string_view to_string(Isa isa);
std::span<const Isa> available_isas();  // of this program on this processor, slowest first; Scalar always is

const Kernels& kernels();         // the chosen table
const Kernels& kernels_for(Isa);  // CHECKs that it is available

// For tests: kernels() is this level until the end of the scope. Weights packed for one level are not for another, so
// compile programs inside the scope. Not while another thread runs a program.
class ScopedIsa {
 public:
  explicit ScopedIsa(Isa isa);
  ~ScopedIsa();
  ScopedIsa(const ScopedIsa&) = delete;
  ScopedIsa& operator=(const ScopedIsa&) = delete;

 private:
  const Kernels* before_;
};

}  // namespace galago::cpu
