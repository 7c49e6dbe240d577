// The avx512bf16 level of every kernel. Flags: cmake/GalagoTargets.cmake.
#if defined(__AVX512BF16__) || defined(GALAGO_EMULATED)
#define GALAGO_ISA avx512bf16
#define GALAGO_ISA_AVX512 1
#define GALAGO_ISA_BF16 1
#define GALAGO_ISA_ENUM Avx512Bf16
#include "cpu/kernels/table-inl.h"
#endif
