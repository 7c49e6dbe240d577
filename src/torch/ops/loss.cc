// Losses.
#include "base/error.h"
#include "torch/run.h"

namespace galago::torch_backend {
namespace {

void check_targets(const at::Tensor& targets, const at::Tensor& counted, int64_t n_classes) {
  at::Tensor wrong = counted.logical_and((targets < 0).logical_or(targets >= n_classes));
  if (wrong.any().item<bool>())
    throw invalid_input("cross_entropy: target {} of {} classes", targets.masked_select(wrong)[0].item<int64_t>(),
                        n_classes);
}

}  // namespace

at::Tensor run_CrossEntropy(const Call& call) {
  const auto& a = call.attr<CrossEntropyAttrs>();
  at::Tensor logits = call.f32(0);
  logits = logits.reshape({-1, logits.size(-1)});
  at::Tensor targets = call.in(1).reshape({-1}).to(at::kLong);
  at::Tensor counted = targets != a.ignore;
  check_targets(targets, counted, logits.size(-1));
  int64_t n_rows = counted.sum().item<int64_t>();
  if (n_rows == 0) return at::sum(at::slice(logits, 0, 0, 0));  // 0, with a gradient of zeros
  // Not the built-in mean: with an `ignore` inside 0..V-1 and label smoothing it divides by different numbers.
  return at::cross_entropy_loss(logits, targets, {}, at::Reduction::Sum, a.ignore, a.label_smoothing) /
         static_cast<double>(n_rows);
}

at::Tensor run_KlDiv(const Call& call) {
  at::Tensor log_q = at::log_softmax(call.f32(0), -1), log_p = at::log_softmax(call.f32(1), -1);
  return (log_p.exp() * (log_p - log_q)).sum() / static_cast<double>(call.f32(0).numel() / log_p.size(-1));
}

}  // namespace galago::torch_backend
