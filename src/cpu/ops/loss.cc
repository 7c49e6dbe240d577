// Losses for evaluation (training runs on libtorch): cross_entropy, kl_div; dropout, the identity here.
#include <cmath>

#include "cpu/ops/common.h"

namespace galago::cpu {
namespace {

double log_sum_exp(const float* x, int64_t n) {
  double most = x[0], total = 0;
  for (int64_t i = 1; i < n; ++i) most = std::max<double>(most, x[i]);
  for (int64_t i = 0; i < n; ++i) total += std::exp(x[i] - most);
  return most + std::log(total);
}

double fast_log_sum_exp(const float* x, int64_t n) {
  constexpr int64_t kPiece = 256;
  float exponentials[kPiece], most = kernels().max(x, n);
  double total = 0;
  for (int64_t i = 0; i < n; i += kPiece)
    total += kernels().exp_sum(x + i, most, exponentials, std::min(kPiece, n - i));
  return most + std::log(total);
}

using LogSumExp = double (*)(const float*, int64_t);

// -log p[target], smoothed: (1 - e) nll + e mean_v(-log p_v).
double row_loss(const float* x, int64_t n, int64_t target, double smoothing, LogSumExp log_sum) {
  double norm = log_sum(x, n), mean = 0;
  if (smoothing > 0)
    for (int64_t i = 0; i < n; ++i) mean += (norm - x[i]) / static_cast<double>(n);
  return (1 - smoothing) * (norm - x[target]) + smoothing * mean;
}

// Rows go to the threads, their losses to scratch, which is added in order: the result does not depend on the threads.
size_t one_double_a_row(const Node&, std::span<const Tensor> in, int) {
  return sizeof(double) * static_cast<size_t>(in[0].shape().rows());
}

template <LogSumExp log_sum>
void cross_entropy(const OpCall& c) {
  const auto& attrs = c.node.attr<CrossEntropyAttrs>();
  int64_t n = c.in[0].shape().last(), rows = c.in[1].elements();
  const float* x = f32(c.in[0]);
  const int32_t* targets = i32(c.in[1]);
  auto* losses = reinterpret_cast<double*>(c.scratch.data());
  for (int64_t row = 0; row < rows; ++row)
    if (targets[row] != attrs.ignore && (targets[row] < 0 || targets[row] >= n))
      throw invalid_input("cross_entropy: found target {}, expected 0..{} or {}", targets[row], n - 1, attrs.ignore);
  for_rows(c.pool, rows, 4 * n, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      losses[row] =
          targets[row] == attrs.ignore ? 0 : row_loss(x + row * n, n, targets[row], attrs.label_smoothing, log_sum);
  });
  double total = 0;
  int64_t counted = 0;
  for (int64_t row = 0; row < rows; ++row) {
    total += losses[row];
    counted += targets[row] != attrs.ignore;
  }
  f32(c.out)[0] = counted == 0 ? 0.0f : static_cast<float>(total / static_cast<double>(counted));
}

template <LogSumExp log_sum>
void kl_div(const OpCall& c) {
  int64_t n = c.in[0].shape().last(), rows = c.in[0].shape().rows();
  auto* losses = reinterpret_cast<double*>(c.scratch.data());
  for_rows(c.pool, rows, 8 * n, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float *q = f32(c.in[0]) + row * n, *p = f32(c.in[1]) + row * n;
      double norm_q = log_sum(q, n), norm_p = log_sum(p, n), total = 0;
      for (int64_t i = 0; i < n; ++i) {
        double probability = std::exp(p[i] - norm_p);
        if (probability > 0) total += probability * ((p[i] - norm_p) - (q[i] - norm_q));
      }
      losses[row] = total;
    }
  });
  double total = 0;
  for (int64_t row = 0; row < rows; ++row) total += losses[row];
  f32(c.out)[0] = static_cast<float>(total / static_cast<double>(rows));
}

void dropout_never_runs(const OpCall&) { CHECK(false, "a view"); }

}  // namespace

CpuOp make_CrossEntropy() {
  return {
      .scalar = cross_entropy<log_sum_exp>, .fast = cross_entropy<fast_log_sum_exp>, .scratch_bytes = one_double_a_row};
}
CpuOp make_KlDiv() {
  return {.scalar = kl_div<log_sum_exp>, .fast = kl_div<fast_log_sum_exp>, .scratch_bytes = one_double_a_row};
}
CpuOp make_Dropout() { return {.scalar = dropout_never_runs, .fast = dropout_never_runs, .view = true}; }

}  // namespace galago::cpu
