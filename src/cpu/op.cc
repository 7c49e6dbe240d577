#include "cpu/op.h"

namespace galago::cpu {

const CpuOp& cpu_op(Op op) {
  static const CpuOp kOps[] = {
#define OP(name, text, min_inputs, max_inputs, differentiable) make_##name(),
#include "graph/ops.def"
#undef OP
  };
  CHECK(op < Op::Input, "leaves are not computed");
  return kOps[static_cast<size_t>(op)];
}

}  // namespace galago::cpu
