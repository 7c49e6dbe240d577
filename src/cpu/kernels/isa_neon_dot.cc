// The neon_dot level of every kernel. Flags: cmake/GalagoTargets.cmake.
#if defined(__ARM_FEATURE_DOTPROD) && !defined(__ARM_FEATURE_MATMUL_INT8)
#define GALAGO_ISA neon_dot
#define GALAGO_ISA_NEON 1
#define GALAGO_ISA_ENUM NeonDot
#include "cpu/kernels/table-inl.h"
#endif
