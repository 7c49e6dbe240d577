// Activations to int8 in blocks of 32: scale = max|x| / 127, q = round(x / scale), and the sums that the offsets and
// minima of weight formats need. Layout: QuantizeCall in calls.h.
#pragma once

namespace galago::cpu::GALAGO_ISA {
namespace {

GALAGO_INLINE ActBlock quantize_block(const float* x, int8_t* q) {
  const V16 low = vec_load(x), high = vec_load(x + 16);
  const float largest = vec_reduce_max(vec_max(vec_abs(low), vec_abs(high)));
  // 0 for finite values, else NaN: it makes the scale, and with it every product, NaN.
  const float poison = vec_reduce_add(vec_mul(vec_add(low, high), vec_set(0)));
  const float scale = largest > 1e-30f ? largest / 127 : 0;
  const V16 inverse = vec_set(largest > 1e-30f ? 127 / largest : 0);
  const int32_t low_sum = to_int8(vec_mul(low, inverse), q);
  const int32_t high_sum = to_int8(vec_mul(high, inverse), q + 16);
  const float kept = scale + poison;
  const int32_t sum = low_sum + high_sum;
  return {kept, 8 * sum, 8 * low_sum, kept * static_cast<float>(sum)};
}

constexpr int64_t kQ8Values = 32, kQ8Bytes = 34;  // a block of Q8_0: f16 d; i8 q[32]; value = d q

// Halves away from zero, where conversion to integers would round them to even.
GALAGO_INLINE F32 round_away(F32 x) {
  const F32 even = to_f32(round_to_i32(x)), one = copy_sign(set(1), x);
  return select((x - even) * one < set(0.5f), even, even + one);
}
GALAGO_INLINE V16 q8_codes(const V16& x, F32 inverse) {
  return vec_each<kPanelRows>([&](int i) GALAGO_LAMBDA_INLINE {
    return round_away(max(set(-128), min(set(127), x.v[i] * inverse)));
  });
}

// The bytes of tensor/formats/q8_0.cc for finite values.
void k_f32_to_q8_0(const float* x, uint8_t* blocks, int64_t n) {
  for (int64_t i = 0; i < n; i += kQ8Values, blocks += kQ8Bytes) {
    const V16 low = vec_load(x + i), high = vec_load(x + i + kPanelRows);
    const float d = vec_reduce_max(vec_max(vec_abs(low), vec_abs(high))) / 127;
    const F32 inverse = set(d != 0 ? 1 / d : 0);
    uint16_t half[kLanes];
    store_f16(half, set(d));
    __builtin_memcpy(blocks, half, 2);
    auto* codes = reinterpret_cast<int8_t*>(blocks + 2);
    to_int8(q8_codes(low, inverse), codes);
    to_int8(q8_codes(high, inverse), codes + kPanelRows);
  }
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
