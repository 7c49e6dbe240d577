// The neon level of every kernel. Flags: cmake/GalagoTargets.cmake.
#if defined(__aarch64__) && !defined(__ARM_FEATURE_DOTPROD)
#define GALAGO_ISA neon
#define GALAGO_ISA_NEON 1
#define GALAGO_ISA_ENUM Neon
#include "cpu/kernels/table-inl.h"
#endif
