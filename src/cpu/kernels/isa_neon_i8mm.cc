// The neon_i8mm level of every kernel. Flags: cmake/GalagoTargets.cmake.
#if defined(__ARM_FEATURE_MATMUL_INT8)
#define GALAGO_ISA neon_i8mm
#define GALAGO_ISA_NEON 1
#define GALAGO_ISA_ENUM NeonI8mm
#include "cpu/kernels/table-inl.h"
#endif
