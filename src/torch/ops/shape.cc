// Ops that move elements without computing.
#include "base/error.h"
#include "torch/run.h"

namespace galago::torch_backend {

at::Tensor run_Reshape(const Call& call) { return call.in(0).reshape(sizes(call.node.shape)); }

at::Tensor run_Permute(const Call& call) {
  const auto& axes = call.attr<PermuteAttrs>().axes;
  return call.in(0).permute(std::vector<int64_t>(axes.begin(), axes.end()));
}

at::Tensor run_Slice(const Call& call) {
  const auto& a = call.attr<SliceAttrs>();
  return at::slice(call.in(0), a.axis, a.begin, a.end, a.step);
}

at::Tensor run_Concat(const Call& call) {
  std::vector<at::Tensor> parts;
  for (size_t i = 0; i < call.count(); ++i) parts.push_back(call.in(i));
  return at::cat(parts, call.attr<AxisAttrs>().axis);
}

at::Tensor run_Expand(const Call& call) { return call.in(0).expand(sizes(call.node.shape)); }

at::Tensor run_Pad(const Call& call) {
  const auto& a = call.attr<PadAttrs>();
  std::vector<int64_t> pairs;  // torch wants the last axis first
  for (size_t axis = a.before.size(); axis-- > 0;) pairs.insert(pairs.end(), {a.before[axis], a.after[axis]});
  return at::constant_pad_nd(call.in(0), pairs, a.value);
}

at::Tensor run_Cast(const Call& call) { return call.in(0).to(scalar_type(call.attr<CastAttrs>().dtype)); }

}  // namespace galago::torch_backend
