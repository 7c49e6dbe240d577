#include "cpu/kernels/kernels.h"

#include <atomic>
#include <cstdlib>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace galago::cpu {

#define ISA_TABLE(space)       \
  namespace space {            \
  extern const Kernels kTable; \
  }
ISA_TABLE(scalar)
#if defined(__x86_64__)
ISA_TABLE(avx2)
ISA_TABLE(avx512)
#elif defined(__aarch64__)
ISA_TABLE(neon)
#endif
#undef ISA_TABLE

namespace {

#if defined(__x86_64__)
// The registers the operating system saves: bits 1, 2 = xmm, ymm; 5, 6, 7 = the three parts of the AVX-512 state.
uint64_t saved_registers() {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
}

struct X86 {
  bool avx2 = false, avx512 = false;
};

X86 detect() {
  X86 found;
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return found;
  bool fma = c >> 12 & 1, osxsave = c >> 27 & 1, f16c = c >> 29 & 1;
  if (!osxsave || !fma || !f16c) return found;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return found;
  uint64_t saved = saved_registers();
  found.avx2 = (b >> 5 & 1) && (saved & 0x06) == 0x06;
  constexpr uint32_t kFoundation = 1u << 16, kDq = 1u << 17, kBw = 1u << 30, kVl = 1u << 31;  // ebx
  constexpr uint32_t kNeeded = kFoundation | kDq | kBw | kVl, kVnni = 1u << 11;               // ecx
  found.avx512 = found.avx2 && (b & kNeeded) == kNeeded && (c & kVnni) && (saved & 0xE6) == 0xE6;
  return found;
}
#endif

std::vector<Isa> detect_isas() {
  std::vector<Isa> isas = {Isa::Scalar};
#if defined(__x86_64__)
  X86 found = detect();
  if (found.avx2) isas.push_back(Isa::Avx2);
  if (found.avx512) isas.push_back(Isa::Avx512);
#elif defined(__aarch64__)
  isas.push_back(Isa::Neon);
#endif
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

std::string_view to_string(Isa isa) {
  switch (isa) {
    case Isa::Scalar:
      return "scalar";
    case Isa::Avx2:
      return "avx2";
    case Isa::Avx512:
      return "avx512";
    case Isa::Neon:
      return "neon";
  }
  return "?";
}

std::span<const Isa> available_isas() {
  static const std::vector<Isa> isas = detect_isas();
  return isas;
}

const Kernels& kernels_for(Isa isa) {
  for (Isa available : available_isas()) {
    if (available != isa) continue;
    switch (isa) {
      case Isa::Scalar:
        return scalar::kTable;
#if defined(__x86_64__)
      case Isa::Avx2:
        return avx2::kTable;
      case Isa::Avx512:
        return avx512::kTable;
#elif defined(__aarch64__)
      case Isa::Neon:
        return neon::kTable;
#endif
      default:
        break;
    }
  }
  CHECK(false, "{} is not available", to_string(isa));
}

const Kernels& kernels() { return *current().load(std::memory_order_relaxed); }

ScopedIsa::ScopedIsa(Isa isa) : before_(&kernels()) { current() = &kernels_for(isa); }
ScopedIsa::~ScopedIsa() { current() = before_; }

}  // namespace galago::cpu
