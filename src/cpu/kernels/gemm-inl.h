// Products of float panels: y = x w^T (+ bias), w as panels of 16 rows (calls.h). A tile of kRows x 16 kPanels sums
// stays in registers while k runs: each step loads kPanels vectors of w and multiplies them by one value of every row
// of x. Summation is sequential in k, in f32 with fused multiply-add. Used by linear, matmul, convolution and
// attention.
#pragma once

namespace galago::cpu::GALAGO_ISA {
namespace {

// Sums that fit the registers: 4 x 6 vectors of 32 (AVX-512, and four rows of SSE or NEON), 2 x 6 of 16 (AVX2).
#if defined(GALAGO_ISA_AVX512)
constexpr int kTilePanels = 4, kTileRows = 6;
#elif defined(GALAGO_ISA_AVX2)
constexpr int kTilePanels = 1, kTileRows = 6;
#else
constexpr int kTilePanels = 1, kTileRows = 4;
#endif
constexpr int kRowPanels = 4;  // panels at once for a single row of x: enough independent sums to hide the latency
constexpr int64_t kStepsAtOnce = 2048;  // of k: a group of panels then stays in the second-level cache

template <PanelKind kKind>
constexpr int64_t kStepBytes = kKind == PanelKind::F32 || kKind == PanelKind::BF16Pairs ? 4 : 2;  // a row

template <PanelKind kKind>
GALAGO_INLINE V16 load_step(const char* p) {
  if constexpr (kStepBytes<kKind> == 4) return vec_load(reinterpret_cast<const float*>(p));
  if constexpr (kKind == PanelKind::F16) return vec_load_f16(reinterpret_cast<const uint16_t*>(p));
  if constexpr (kKind == PanelKind::BF16) return vec_load_bf16(reinterpret_cast<const uint16_t*>(p));
}

template <PanelKind kKind>
GALAGO_INLINE V16 add_step(const V16& value, const V16& w, const V16& sum) {
#if defined(GALAGO_ISA_BF16)
  if constexpr (kKind == PanelKind::BF16Pairs) return {{fma_pairs(value.v[0], w.v[0], sum.v[0])}};
#endif
  return vec_fma(value, w, sum);
}

struct Steps {
  int64_t begin, end;
};

template <PanelKind kKind, int kPanels, int kRows>
inline void gemm_tile(const GemmCall& c, const char* panels, int64_t row, int64_t column, Steps steps) {
  const int64_t panel_bytes = c.panel_stride * kStepBytes<kKind>, step_bytes = c.step_stride * kStepBytes<kKind>;
  const int64_t x_stride = c.x_stride, x_step = c.x_step;
  const float* x = c.x + row * x_stride + steps.begin * x_step;
  const char* w_step = panels + steps.begin * step_bytes;
  V16 sums[kRows][kPanels];
  GALAGO_UNROLL for (int r = 0; r < kRows; ++r) GALAGO_UNROLL for (int p = 0; p < kPanels; ++p) sums[r][p] = vec_set(0);
  for (int64_t step = steps.begin; step < steps.end; ++step, x += x_step, w_step += step_bytes) {
    V16 w[kPanels];
    GALAGO_UNROLL for (int p = 0; p < kPanels; ++p) w[p] = load_step<kKind>(w_step + p * panel_bytes);
    GALAGO_UNROLL for (int r = 0; r < kRows; ++r) {
      const V16 value = vec_set(x[r * x_stride]);
      GALAGO_UNROLL for (int p = 0; p < kPanels; ++p) sums[r][p] = add_step<kKind>(value, w[p], sums[r][p]);
    }
  }
  const bool add = c.accumulate || steps.begin > 0;
  GALAGO_UNROLL for (int p = 0; p < kPanels; ++p) {
    const int64_t j = column + p * kPanelRows, n = c.n - j < kPanelRows ? c.n - j : kPanelRows;
    V16 bias = c.bias && steps.begin == 0 ? vec_load_part(c.bias + j, n) : vec_set(0);
    GALAGO_UNROLL for (int r = 0; r < kRows; ++r) {
      float* y = c.y + (row + r) * c.y_stride + j;
      V16 sum = vec_add(sums[r][p], bias);
      vec_store_part(y, add ? vec_add(vec_load_part(y, n), sum) : sum, n);
    }
  }
}

template <PanelKind kKind, int kPanels, int kRows>
void gemm_rest(const GemmCall& c, const char* panels, int64_t row, int64_t column, Steps steps) {
  if constexpr (kRows > 0) {
    if (c.rows - row == kRows) return gemm_tile<kKind, kPanels, kRows>(c, panels, row, column, steps);
    gemm_rest<kKind, kPanels, kRows - 1>(c, panels, row, column, steps);
  }
}

template <PanelKind kKind, int kPanels>
void gemm_group(const GemmCall& c, const char* panels, int64_t column, Steps steps) {
  int64_t row = 0;
  for (; row + kTileRows <= c.rows; row += kTileRows)
    gemm_tile<kKind, kPanels, kTileRows>(c, panels, row, column, steps);
  gemm_rest<kKind, kPanels, kTileRows - 1>(c, panels, row, column, steps);
}

template <PanelKind kKind, int kPanels>
void gemm_groups(const GemmCall& c, Steps steps, int64_t& panel) {
  const int64_t panel_bytes = c.panel_stride * kStepBytes<kKind>;
  const int64_t n_panels = (c.n + kPanelRows - 1) / kPanelRows;
  for (; panel + kPanels <= n_panels; panel += kPanels) {
    const char* panels = static_cast<const char*>(c.panels) + panel * panel_bytes;
    if (c.rows == 1)
      gemm_tile<kKind, kPanels, 1>(c, panels, 0, panel * kPanelRows, steps);
    else
      gemm_group<kKind, kPanels>(c, panels, panel * kPanelRows, steps);
  }
}

template <PanelKind kKind>
void gemm_kind(const GemmCall& c) {
  Steps steps{0, 0};
  do {  // once even for k = 0: y becomes the bias
    steps = {steps.end, c.k - steps.end > kStepsAtOnce ? steps.end + kStepsAtOnce : c.k};
    int64_t panel = 0;
    if (c.rows == 1) gemm_groups<kKind, kRowPanels>(c, steps, panel);
    gemm_groups<kKind, kTilePanels>(c, steps, panel);
    if constexpr (kTilePanels > 2) gemm_groups<kKind, 2>(c, steps, panel);
    gemm_groups<kKind, 1>(c, steps, panel);
  } while (steps.end < c.k);
}

void k_gemm(const GemmCall& c) {
  if (c.rows == 0 || c.n == 0) return;
  switch (c.kind) {
    case PanelKind::F32:
      return gemm_kind<PanelKind::F32>(c);
    case PanelKind::F16:
      return gemm_kind<PanelKind::F16>(c);
    case PanelKind::BF16:
      return gemm_kind<PanelKind::BF16>(c);
#if defined(GALAGO_ISA_BF16)
    case PanelKind::BF16Pairs:
      return gemm_kind<PanelKind::BF16Pairs>(c);
#endif
    default:
      __builtin_trap();
  }
}

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
