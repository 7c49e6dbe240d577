// Everything an instruction set compiles: included once by each isa_*.cc, which names the level. All functions live in
// an unnamed namespace inside galago::cpu::<level>: a function of the standard library that is not inlined here would
// be merged by the linker with the one of other files and run on processors without this instruction set, so *-inl.h
// files use builtins and their own helpers only. A new kernel: its text in an *-inl.h below, its row in kernels.def.
// clang-format off: each needs those above it
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/simd-inl.h"
#include "cpu/kernels/math-inl.h"
#include "cpu/kernels/elementwise-inl.h"
#include "cpu/kernels/rows-inl.h"
#include "cpu/kernels/vec-inl.h"
#include "cpu/kernels/dot-inl.h"
#include "cpu/kernels/pairs-inl.h"
#include "cpu/kernels/gemm-inl.h"
#include "cpu/kernels/quantize-inl.h"
#include "cpu/kernels/panel_formats-inl.h"
#include "cpu/kernels/gemm_int8-inl.h"
#include "cpu/kernels/gemm_wide-inl.h"
#include "cpu/kernels/attention-inl.h"
#include "cpu/kernels/attention_stream-inl.h"
#include "cpu/kernels/scan-inl.h"
#include "cpu/kernels/peak-inl.h"
// clang-format on

namespace galago::cpu::GALAGO_ISA {

extern const Kernels kTable;
const Kernels kTable = {
    Isa::GALAGO_ISA_ENUM,
#define KERNEL(name, result, arguments) k_##name,
#include "cpu/kernels/kernels.def"
#undef KERNEL
};

}  // namespace galago::cpu::GALAGO_ISA
