// The avxvnni level of every kernel. Flags: cmake/GalagoTargets.cmake.
#if defined(__AVXVNNI__) && !defined(__AVX512F__)
#define GALAGO_ISA avxvnni
#define GALAGO_ISA_AVX2 1
#define GALAGO_ISA_ENUM AvxVnni
#include "cpu/kernels/table-inl.h"
#endif
