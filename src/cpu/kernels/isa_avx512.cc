// The avx512 level of every kernel. Flags: cmake/GalagoTargets.cmake.
#if (defined(__AVX512F__) && defined(__AVX512VNNI__)) || defined(GALAGO_EMULATED)
#define GALAGO_ISA avx512
#define GALAGO_ISA_AVX512 1
#define GALAGO_ISA_ENUM Avx512
#include "cpu/kernels/table-inl.h"
#endif
