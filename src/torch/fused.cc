#include "torch/fused.h"

#include <bit>
#include <cmath>

// The loops are plain C++ that the compiler vectorises once per instruction set; the loader picks at start.
#if defined(__x86_64__) && defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define PER_INSTRUCTION_SET __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define PER_INSTRUCTION_SET
#endif
#define INLINED inline __attribute__((always_inline))

namespace galago::torch_backend {
namespace {

struct Bf16 {
  uint16_t bits;
};
INLINED float load(float v) { return v; }
INLINED float load(Bf16 v) { return std::bit_cast<float>(static_cast<uint32_t>(v.bits) << 16); }
INLINED void store(float& to, float v) { to = v; }
INLINED void store(Bf16& to, float v) {  // to nearest, ties to even; NaN stays NaN
  uint32_t bits = std::bit_cast<uint32_t>(v), rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  to.bits = static_cast<uint16_t>(v == v ? rounded : (bits >> 16) | 0x40);
}

constexpr int64_t kLanes = 16;  // independent sums, so that the compiler may use vectors without reordering additions

// sum over i of term(i)
template <class Term>
INLINED float lane_sum(int64_t n, Term term) {
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t l = 0; l < kLanes; ++l) lanes[l] += term(i + l);
  float sum = 0;
  for (; i < n; ++i) sum += term(i);
  for (float lane : lanes) sum += lane;
  return sum;
}

template <class Y>
INLINED void norm_row(const float* x, const float* gain, float eps, int64_t n, float* r, Y* y) {
  float squares = lane_sum(
      n, [=](int64_t i) __attribute__((always_inline)) { return x[i] * x[i]; });
  *r = 1 / std::sqrt(squares / static_cast<float>(n) + eps);
  for (int64_t i = 0; i < n; ++i) store(y[i], x[i] * *r * gain[i]);
}

// u = x r, g = dy gain:  dx = r (g - u mean(g u)),  dgain += dy u
template <class DY>
INLINED void norm_row_back(const float* x, const float* gain, float r, const DY* dy, int64_t n, float* dx,
                           float* dgain) {
  float dot = lane_sum(
      n, [=](int64_t i) __attribute__((always_inline)) { return load(dy[i]) * gain[i] * x[i]; });
  float pull = dot * r * r / static_cast<float>(n);
  for (int64_t i = 0; i < n; ++i) {
    float d = load(dy[i]);
    dx[i] = r * (d * gain[i] - x[i] * pull);
    dgain[i] += d * x[i] * r;
  }
}

PER_INSTRUCTION_SET void norm_f32(const float* x, const float* gain, float eps, int64_t n, float* r, float* y) {
  norm_row(x, gain, eps, n, r, y);
}
PER_INSTRUCTION_SET void norm_bf16(const float* x, const float* gain, float eps, int64_t n, float* r, Bf16* y) {
  norm_row(x, gain, eps, n, r, y);
}
PER_INSTRUCTION_SET void norm_back_f32(const float* x, const float* gain, float r, const float* dy, int64_t n,
                                       float* dx, float* dgain) {
  norm_row_back(x, gain, r, dy, n, dx, dgain);
}
PER_INSTRUCTION_SET void norm_back_bf16(const float* x, const float* gain, float r, const Bf16* dy, int64_t n,
                                        float* dx, float* dgain) {
  norm_row_back(x, gain, r, dy, n, dx, dgain);
}

// All heads of one position.
template <class T>
INLINED void turn_heads(const T* x, const float* c, const float* s, float sign, int64_t heads, int64_t width,
                        int64_t half, bool pairs, T* y) {
  for (int64_t h = 0; h < heads; ++h, x += width, y += width) {
    if (pairs) {
      for (int64_t i = 0; i < half; ++i) {
        float x0 = load(x[2 * i]), x1 = load(x[2 * i + 1]), sine = sign * s[i];
        store(y[2 * i], x0 * c[i] - x1 * sine);
        store(y[2 * i + 1], x1 * c[i] + x0 * sine);
      }
    } else {
      for (int64_t i = 0; i < half; ++i) {
        float x0 = load(x[i]), x1 = load(x[half + i]), sine = sign * s[i];
        store(y[i], x0 * c[i] - x1 * sine);
        store(y[half + i], x1 * c[i] + x0 * sine);
      }
    }
    for (int64_t i = 2 * half; i < width; ++i) y[i] = x[i];
  }
}

PER_INSTRUCTION_SET void turn_f32(const float* x, const float* c, const float* s, float sign, int64_t heads,
                                  int64_t width, int64_t half, bool pairs, float* y) {
  turn_heads(x, c, s, sign, heads, width, half, pairs, y);
}
PER_INSTRUCTION_SET void turn_bf16(const Bf16* x, const float* c, const float* s, float sign, int64_t heads,
                                   int64_t width, int64_t half, bool pairs, Bf16* y) {
  turn_heads(x, c, s, sign, heads, width, half, pairs, y);
}

Bf16* half_data(const at::Tensor& t) { return reinterpret_cast<Bf16*>(t.data_ptr<at::BFloat16>()); }
bool is_half(const at::Tensor& t) { return t.scalar_type() == at::kBFloat16; }

}  // namespace

void rms_norm_forward(const at::Tensor& x, const at::Tensor& gain, float eps, at::Tensor& r, at::Tensor& y) {
  const int64_t n = gain.numel(), rows = n ? x.numel() / n : 0;
  const float *px = x.data_ptr<float>(), *pg = gain.data_ptr<float>();
  float* pr = r.data_ptr<float>();
  at::parallel_for(0, rows, 64, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      if (is_half(y))
        norm_bf16(px + row * n, pg, eps, n, pr + row, half_data(y) + row * n);
      else
        norm_f32(px + row * n, pg, eps, n, pr + row, y.data_ptr<float>() + row * n);
    }
  });
}

std::pair<at::Tensor, at::Tensor> rms_norm_backward(const at::Tensor& x, const at::Tensor& gain, const at::Tensor& r,
                                                    const at::Tensor& dy) {
  constexpr int64_t kRowsPerSum = 128;  // a fixed partition keeps the sums the same for any number of threads
  const int64_t n = gain.numel(), rows = n ? x.numel() / n : 0, chunks = (rows + kRowsPerSum - 1) / kRowsPerSum;
  at::Tensor dx = at::empty_like(x), sums = at::zeros({chunks, n}, x.options());
  const float *px = x.data_ptr<float>(), *pg = gain.data_ptr<float>(), *pr = r.data_ptr<float>();
  float *pdx = dx.data_ptr<float>(), *ps = sums.data_ptr<float>();
  at::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin * kRowsPerSum; row < std::min(end * kRowsPerSum, rows); ++row) {
      float* sum = ps + row / kRowsPerSum * n;
      int64_t at = row * n;
      if (is_half(dy))
        norm_back_bf16(px + at, pg, pr[row], half_data(dy) + at, n, pdx + at, sum);
      else
        norm_back_f32(px + at, pg, pr[row], dy.data_ptr<float>() + at, n, pdx + at, sum);
    }
  });
  return {dx, sums.sum({0})};
}

at::Tensor turn_channels(const at::Tensor& x, const at::Tensor& cosines, const at::Tensor& sines, bool pairs,
                         bool back) {
  at::Tensor y = at::empty_like(x);
  const int64_t heads = x.size(2), width = x.size(3), half = cosines.size(-1), stride = heads * width;
  const int64_t positions = x.size(0) * x.size(1), table = cosines.numel() / half;
  const float *pc = cosines.data_ptr<float>(), *ps = sines.data_ptr<float>();
  const float sign = back ? -1.0f : 1.0f;
  at::parallel_for(0, positions, 64, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const float *c = pc + p % table * half, *s = ps + p % table * half;
      int64_t at = p * stride;
      if (is_half(x))
        turn_bf16(half_data(x) + at, c, s, sign, heads, width, half, pairs, half_data(y) + at);
      else
        turn_f32(x.data_ptr<float>() + at, c, s, sign, heads, width, half, pairs, y.data_ptr<float>() + at);
    }
  });
  return y;
}

}  // namespace galago::torch_backend
