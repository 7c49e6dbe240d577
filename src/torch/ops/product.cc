// Matrix products.
#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "torch/run.h"

namespace galago::torch_backend {

at::Tensor run_Linear(const Call& call) {
  return at::linear(call.operand(0), call.operand(1), call.operand_or_none(2));
}

at::Tensor run_Matmul(const Call& call) {
  at::Tensor b = call.operand(1);
  return at::matmul(call.operand(0), call.attr<MatmulAttrs>().transpose_b ? b.transpose(-2, -1) : b);
}

// Sorts the (token, slot) pairs by expert, multiplies each expert's rows at once, and puts the results back in order.
at::Tensor run_ExpertLinear(const Call& call) {
  at::Tensor x = call.operand(0), w = call.operand(1);
  const int64_t n_tokens = call.node.shape[0], n_slots = call.node.shape[1], n_experts = w.size(0);
  at::Tensor expert = call.in(2).to(at::kCPU).reshape({-1}).contiguous();
  std::span<const int32_t> ids(expert.data_ptr<int32_t>(), expert.numel());
  for (int32_t id : ids)
    if (id < 0 || id >= n_experts) throw invalid_input("expert_linear: expert {} of {}", id, n_experts);

  std::vector<int64_t> order(ids.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return ids[a] < ids[b]; });
  at::Tensor index = at::tensor(order).to(x.device());
  at::Tensor rows = x.expand({n_tokens, n_slots, x.size(2)}).reshape({-1, x.size(2)}).index_select(0, index);

  std::vector<at::Tensor> parts = {at::empty({0, w.size(1)}, x.options())};
  for (size_t begin = 0; begin < order.size();) {
    int32_t id = ids[order[begin]];
    size_t end = begin;
    while (end < order.size() && ids[order[end]] == id) ++end;
    parts.push_back(at::linear(at::slice(rows, 0, begin, end), w[id]));
    begin = end;
  }
  return at::cat(parts, 0).index_select(0, at::argsort(index)).reshape(sizes(call.node.shape));
}

}  // namespace galago::torch_backend
