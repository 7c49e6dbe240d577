#include "cpu/kernels/cpu_features.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace galago::cpu {
namespace {

#if defined(__x86_64__)

// The registers the operating system saves: bits 1, 2 = xmm, ymm; 5, 6, 7 = the three parts of the AVX-512 state.
uint64_t saved_registers() {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
}

struct X86 {
  bool avx2 = false, avxvnni = false, avx512 = false, avx512bf16 = false;
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
  if (!__get_cpuid_count(7, 1, &a, &b, &c, &d)) return found;
  found.avxvnni = found.avx2 && (a >> 4 & 1);
  found.avx512bf16 = found.avx512 && (a >> 5 & 1);
  return found;
}

#endif

}  // namespace

#if defined(__x86_64__)

bool supports(Isa isa) {
  static const X86 found = detect();
  switch (isa) {
    case Isa::Scalar:
      return true;
    case Isa::Avx2:
      return found.avx2;
    case Isa::AvxVnni:
      return found.avxvnni;
#if defined(GALAGO_EMULATED)
    case Isa::Avx512:
    case Isa::Avx512Bf16:
      return true;
#else
    case Isa::Avx512:
      return found.avx512;
    case Isa::Avx512Bf16:
      return found.avx512bf16;
#endif
  }
  return false;
}

#elif defined(__aarch64__)

bool supports(Isa isa) {
  const unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
  switch (isa) {
    case Isa::Scalar:
    case Isa::Neon:
      return true;
    case Isa::NeonDot:
      return first & HWCAP_ASIMDDP;
    case Isa::NeonI8mm:
      return (first & HWCAP_ASIMDDP) && (second & HWCAP2_I8MM);
  }
  return false;
}

#else

bool supports(Isa isa) { return isa == Isa::Scalar; }

#endif

}  // namespace galago::cpu
