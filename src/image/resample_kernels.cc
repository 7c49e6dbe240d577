// Plain loops over integers, which the compiler turns into SIMD; on x86-64 with glibc they are compiled once per
// instruction set and the loader picks one. Integers: every version gives the same bytes.
#include "image/resample_kernels.h"

#include <algorithm>

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// Not with sanitizers: the loader's choice runs before they are ready.
#define GALAGO_PER_CPU __attribute__((target_clones("avx2", "sse4.1", "default")))
#else
#define GALAGO_PER_CPU
#endif

namespace galago {
namespace {

constexpr int kBlock = kLanes;

inline uint8_t to_byte(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kWeightBits, 0, 255)); }

[[gnu::always_inline]] inline void weigh_block(const uint8_t* in, ptrdiff_t stride, const int32_t* weights, int n_taps,
                                               uint8_t* __restrict out) {
  int32_t sums[kBlock];
  for (int32_t& sum : sums) sum = 1 << (kWeightBits - 1);
  for (int tap = 0; tap < n_taps; ++tap, in += stride)
    for (int i = 0; i < kBlock; ++i) sums[i] += weights[tap] * in[i];
  for (int i = 0; i < kBlock; ++i) out[i] = to_byte(sums[i]);
}

}  // namespace

GALAGO_PER_CPU void weigh_rows(const uint8_t* in, ptrdiff_t stride, const int32_t* weights, int n_taps, uint8_t* out,
                               ptrdiff_t n) {
  ptrdiff_t at = 0;
  for (; at + kBlock <= n; at += kBlock) weigh_block(in + at, stride, weights, n_taps, out + at);
  for (; at < n; ++at) {
    int32_t sum = 1 << (kWeightBits - 1);
    for (int tap = 0; tap < n_taps; ++tap) sum += weights[tap] * in[tap * stride + at];
    out[at] = to_byte(sum);
  }
}

GALAGO_PER_CPU void weigh_lanes(const uint8_t* in, const int32_t* weights, int n_taps, uint8_t* out) {
  weigh_block(in, kLanes, weights, n_taps, out);
}

}  // namespace galago
