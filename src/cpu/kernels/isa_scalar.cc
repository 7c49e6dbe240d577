// The scalar level of every kernel: one lane, plain C++.
#define GALAGO_ISA scalar
#define GALAGO_ISA_ENUM Scalar
#include "cpu/kernels/table-inl.h"
