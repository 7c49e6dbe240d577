// What the processor and the operating system allow.
#pragma once

#include "cpu/kernels/kernels.h"

namespace galago::cpu {

bool supports(Isa isa);  // the instructions of this level, and the registers they use, can be used here

}  // namespace galago::cpu
