#include "cpu/kernels/kernels.h"

#include <atomic>
#include <cstdlib>
#include <vector>

#include "cpu/kernels/cpu_features.h"

namespace galago::cpu {

#define ISA(name, space)       \
  namespace space {            \
  extern const Kernels kTable; \
  }
#include "cpu/kernels/isas.def"
#undef ISA

namespace {

constexpr const Kernels* kTables[] = {
#define ISA(name, space) &space::kTable,
#include "cpu/kernels/isas.def"
#undef ISA
};

constexpr std::string_view kNames[] = {
#define ISA(name, space) #space,
#include "cpu/kernels/isas.def"
#undef ISA
};

std::vector<Isa> detect_isas() {
  std::vector<Isa> isas;
  for (const Kernels* table : kTables)
    if (supports(table->isa)) isas.push_back(table->isa);
  return isas;
}

const Kernels* choose() {
  std::span<const Isa> isas = available_isas();
  const char* wanted = std::getenv("GALAGO_ISA");
  if (!wanted || !*wanted) return &kernels_for(isas.back());
  std::string names;
  for (Isa isa : isas) {
    if (to_string(isa) == wanted) return &kernels_for(isa);
    names += (names.empty() ? "" : ", ") + std::string(to_string(isa));
  }
  throw usage_error("GALAGO_ISA={}: this processor and program have {}. Choose one of these or unset it.", wanted,
                    names);
}

std::atomic<const Kernels*>& current() {
  static std::atomic<const Kernels*> table{choose()};
  return table;
}

}  // namespace

std::string_view to_string(Isa isa) { return kNames[static_cast<size_t>(isa)]; }

std::span<const Isa> available_isas() {
  static const std::vector<Isa> isas = detect_isas();
  return isas;
}

const Kernels& kernels_for(Isa isa) {
  CHECK(supports(isa), "{} is not available", to_string(isa));
  return *kTables[static_cast<size_t>(isa)];
}

const Kernels& kernels() { return *current().load(std::memory_order_relaxed); }

ScopedIsa::ScopedIsa(Isa isa) : before_(&kernels()) { current() = &kernels_for(isa); }
ScopedIsa::~ScopedIsa() { current() = before_; }

}  // namespace galago::cpu
