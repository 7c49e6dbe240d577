// selective_scan (Mamba, Gu and Dao 2023): h_l = exp(delta a) h_(l-1) + delta b u;  y = c . h + skip u, a state of N
// values a channel. u, delta [B, D, L]; a [D, N]; b, c [B, G, N, L], channel d uses group d / (D / G). Fast: 16
// channels a call.
#include <algorithm>
#include <atomic>
#include <cmath>

#include "cpu/ops/common.h"
#include "cpu/ops/panels.h"

namespace galago::cpu {
namespace {

struct Sizes {
  int64_t batch, channels, length, states, groups, per_group;

  explicit Sizes(std::span<const Tensor> in) {
    const Shape &u = in[0].shape(), &b = in[3].shape();
    batch = u[0], channels = u[1], length = u[2];
    groups = b[1], states = b[2];
    per_group = channels / groups;
  }
  int64_t bc_at(int64_t i, int64_t channel) const { return (i * groups + channel / per_group) * states * length; }
};

void scan_channel(const OpCall& call, const Sizes& s, int64_t i, int64_t channel) {
  const int64_t row = (i * s.channels + channel) * s.length;
  const float *u = f32(call.in[0]) + row, *delta = f32(call.in[1]) + row, *a = f32(call.in[2]) + channel * s.states;
  const float *b = f32(call.in[3]) + s.bc_at(i, channel), *c = f32(call.in[4]) + s.bc_at(i, channel);
  float *y = f32(call.out) + row, skip = f32(call.in[5])[channel];
  for (int64_t l = 0; l < s.length; ++l) y[l] = skip * u[l];
  for (int64_t n = 0; n < s.states; ++n) {
    float h = 0;
    for (int64_t l = 0; l < s.length; ++l) {
      h = std::exp(delta[l] * a[n]) * h + delta[l] * u[l] * b[n * s.length + l];
      y[l] += c[n * s.length + l] * h;
    }
  }
}

void scalar(const OpCall& call) {
  Sizes s(call.in);
  for (int64_t i = 0; i < s.batch; ++i)
    for (int64_t channel = 0; channel < s.channels; ++channel) scan_channel(call, s, i, channel);
}

size_t scratch_bytes(const Node&, std::span<const Tensor> in, int n_threads) {
  return sizeof(float) * static_cast<size_t>(n_threads * scan_scratch(Sizes(in).states));
}

void fast(const OpCall& call) {
  Sizes s(call.in);
  if (call.out.elements() == 0) return;
  const int64_t blocks = (s.per_group + kPanelRows - 1) / kPanelRows;  // of one group
  const int64_t items = s.batch * s.groups * blocks;
  constexpr int64_t kStateCost = 4;  // an exponential against a product
  const bool alone = s.batch * s.channels * s.length * (s.states + 1) * kStateCost < kGrainProducts;
  std::atomic<int64_t> next{0};
  call.pool.parallel_for(alone ? 1 : std::min<int64_t>(call.pool.size(), items), 1, [&](int64_t begin, int64_t end) {
    for (int64_t slot = begin; slot < end; ++slot) {
      float* scratch = reinterpret_cast<float*>(call.scratch.data()) + slot * scan_scratch(s.states);
      for (int64_t item; (item = next.fetch_add(1)) < items;) {
        const int64_t i = item / (s.groups * blocks), in_group = item % blocks * kPanelRows;
        const int64_t channel = item / blocks % s.groups * s.per_group + in_group;
        const int64_t row = (i * s.channels + channel) * s.length, bc = s.bc_at(i, channel);
        kernels().selective_scan({.u = f32(call.in[0]) + row,
                                  .delta = f32(call.in[1]) + row,
                                  .a = f32(call.in[2]) + channel * s.states,
                                  .b = f32(call.in[3]) + bc,
                                  .c = f32(call.in[4]) + bc,
                                  .skip = f32(call.in[5]) + channel,
                                  .y = f32(call.out) + row,
                                  .channels = std::min<int64_t>(kPanelRows, s.per_group - in_group),
                                  .n = s.states,
                                  .length = s.length,
                                  .scratch = scratch});
      }
    }
  });
}

}  // namespace

CpuOp make_SelectiveScan() { return {.scalar = scalar, .fast = fast, .scratch_bytes = scratch_bytes}; }

}  // namespace galago::cpu
