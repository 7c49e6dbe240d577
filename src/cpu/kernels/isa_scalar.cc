// The scalar level of every kernel. Flags: cmake/GalagoTargets.cmake.
#define GALAGO_ISA scalar
#define GALAGO_ISA_SCALAR 1
#define GALAGO_ISA_ENUM Scalar
#include "cpu/kernels/table-inl.h"
