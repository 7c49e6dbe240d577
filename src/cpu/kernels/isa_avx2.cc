// The avx2 level of every kernel. Flags: cmake/GalagoTargets.cmake.
#if defined(__AVX2__) && defined(__FMA__) && !defined(__AVXVNNI__) && !defined(__AVX512F__)
#define GALAGO_ISA avx2
#define GALAGO_ISA_AVX2 1
#define GALAGO_ISA_ENUM Avx2
#include "cpu/kernels/table-inl.h"
#endif
