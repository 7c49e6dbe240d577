// Ops that move rows by index.
#include <map>

#include "base/error.h"
#include "torch/run.h"

namespace galago::torch_backend {

at::Tensor run_Gather(const Call& call) {
  at::Tensor table = call.in(0), ids = call.in(1);
  if (ids.numel() == 0) return at::empty(sizes(call.node.shape), table.options());
  int32_t low = ids.min().item<int32_t>(), high = ids.max().item<int32_t>();
  if (low < 0 || high >= table.size(0))
    throw invalid_input("gather: id {} in a table of {} rows", low < 0 ? low : high, table.size(0));
  at::Tensor rows = table.dim() == 2 ? at::embedding(table, ids) : table.index_select(0, ids.reshape({-1}));
  return rows.reshape(sizes(call.node.shape));
}

// The last of repeated ids wins, which torch does not promise: repeated ids are resolved here.
at::Tensor run_Scatter(const Call& call) {
  at::Tensor base = call.in(0), rows = call.in(1);
  at::Tensor ids = call.in(2).to(at::kCPU).contiguous();
  std::map<int64_t, int64_t> source;  // row of base -> row of rows
  for (int64_t i = 0; i < ids.numel(); ++i) {
    int32_t id = ids.data_ptr<int32_t>()[i];
    if (id < -1 || id >= base.size(0)) throw invalid_input("scatter: id {} in {} rows", id, base.size(0));
    if (id >= 0) source[id] = i;
  }
  if (source.empty()) return base;
  std::vector<int64_t> to, from;
  for (auto [row, i] : source) to.push_back(row), from.push_back(i);
  auto index = [&](const std::vector<int64_t>& v) { return at::tensor(v).to(base.device()); };
  return base.index_copy(0, index(to), rows.index_select(0, index(from)).to(base.scalar_type()));
}

}  // namespace galago::torch_backend
