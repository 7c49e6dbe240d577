// The two inner loops of resize(): weighted sums of bytes in fixed point.
#pragma once

#include <cstddef>
#include <cstdint>

namespace galago {

constexpr int kWeightBits = 22;  // 32 - 8 bits of a pixel - 2 of headroom, as Pillow has it
constexpr int kLaneRows = 16;    // rows that the horizontal pass takes together
constexpr int kLanes = 3 * kLaneRows;

// out[i] = clamp((sum over t of weights[t] * in[t * stride + i] + 1/2) / 2^22), i < n. All sums fit 32 bits.
void weigh_rows(const uint8_t* in, ptrdiff_t stride, const int32_t* weights, int n_taps, uint8_t* out, ptrdiff_t n);

// The same for kLanes bytes and stride kLanes.
void weigh_lanes(const uint8_t* in, const int32_t* weights, int n_taps, uint8_t* out);

}  // namespace galago
