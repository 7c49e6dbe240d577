// Tables and ids of positions that follow from the size of a picture: made while the graph is built.
#pragma once

#include <vector>

#include "nn/scope.h"

namespace galago {

// Row of a side x side table for each patch of an h x w picture, rows first (SigLIP NaViT; MiniCPM-V 2.6 and later).
std::vector<int32_t> bucket_position_ids(int64_t h, int64_t w, int64_t side);
// The same for a picture seen as one strip of n patches: only the first `side` rows are used (MiniCPM-V 2.5).
std::vector<int32_t> strip_position_ids(int64_t n, int64_t side);

// grid [side * side, d] as a picture of side x side with d channels, resized to [h * w, d] in float32. antialiased: the
// float version of Pillow's bicubic (a = -0.5, kernels stretched when shrinking, weights renormalised at the borders),
// which is torch's interpolate(antialias=True); otherwise torch's bicubic (a = -0.75, borders clamped).
Value resample_grid(const Scope& s, Value grid, int64_t side, int64_t h, int64_t w, bool antialiased);
// One axis of the above: weights [out, in].
Tensor antialiased_weights(int64_t in, int64_t out);
Tensor bicubic_weights(int64_t in, int64_t out);

// Sine and cosine of absolute patch coordinates [h * w, d]: sin x, cos x, sin y, cos y in quarters of d, column first
// (MiniCPM-V's resampler). Not normalised by the size of the picture.
Tensor sincos_positions(int64_t h, int64_t w, int64_t d);

}  // namespace galago
