// Activations to int8 in blocks of 32: scale = max|x| / 127, q = round(x / scale), and the sums that the offsets and
// minima of weight formats need. Layout: QuantizeCall in calls.h.
#pragma once

namespace galago::cpu::GALAGO_ISA {
namespace {

GALAGO_INLINE ActBlock quantize_block(const float* x, int8_t* q) {
  const V16 low = v16_load(x), high = v16_load(x + 16);
  const float largest = v16_reduce_max(v16_max(v16_abs(low), v16_abs(high)));
  // 0 for finite values, else NaN: it makes the scale, and with it every product, NaN.
  const float poison = v16_reduce_add(v16_mul(v16_add(low, high), v16_set(0)));
  const float scale = largest > 1e-30f ? largest / 127 : 0;
  const V16 inverse = v16_set(largest > 1e-30f ? 127 / largest : 0);
  const int32_t low_sum = v16_to_int8(v16_mul(low, inverse), q);
  const int32_t high_sum = v16_to_int8(v16_mul(high, inverse), q + 16);
  const float kept = scale + poison;
  return {kept, low_sum + high_sum, kept * static_cast<float>(low_sum), kept * static_cast<float>(high_sum)};
}

void k_quantize_rows(const QuantizeCall& c) {
  const int64_t n_blocks = c.k / kBlockValues;
  for (int64_t row = 0; row < c.rows; ++row) {
    const int64_t tile = row / kActTile * kActTile, i = row - tile;
    const int64_t width = c.rows - tile < kActTile ? c.rows - tile : kActTile;
    int8_t* q = c.q + tile * c.k;
    ActBlock* blocks = c.blocks + tile * n_blocks;
    for (int64_t b = 0; b < n_blocks; ++b)
      blocks[b * width + i] =
          quantize_block(c.x + row * c.x_stride + b * kBlockValues, q + (b * width + i) * kBlockValues);
  }
}

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
