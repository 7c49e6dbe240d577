// Pairs of bf16: two values of k in the place of a float, which vdpbf16ps multiplies and adds at twice the rate of f32.
// Their sums are f32; rounding to bf16 costs up to 2^-8 of each factor.
#pragma once

namespace galago::cpu::GALAGO_ISA {
namespace {

#if defined(GALAGO_ISA_BF16)

constexpr bool kMultipliesPairs = true;

// sum + x.first w.first + x.second w.second in every lane.
GALAGO_INLINE F32 fma_pairs(F32 x, F32 w, F32 sum) {
  return {_mm512_dpbf16_ps(sum.v, (__m512bh)_mm512_castps_si512(x.v), (__m512bh)_mm512_castps_si512(w.v))};
}

// Sixteen pairs from two vectors of f32: of neighbouring values (first, second), or of the values a and b of each lane.
GALAGO_INLINE F32 pairs_in_row(F32 first, F32 second) {
  return {_mm512_castsi512_ps((__m512i)_mm512_cvtne2ps_pbh(second.v, first.v))};
}
// u16 i of the result is u16 i / 2 of a half that i % 2 chooses.
GALAGO_INLINE __m512i alternate_halves(__m512i x) {
  const __m512i steps = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i upper = _mm512_slli_epi32(_mm512_add_epi32(steps, _mm512_set1_epi32(16)), 16);
  return _mm512_permutexvar_epi16(_mm512_or_si512(steps, upper), x);
}
GALAGO_INLINE F32 pairs_of_lanes(F32 a, F32 b) {
  return {_mm512_castsi512_ps(alternate_halves((__m512i)_mm512_cvtne2ps_pbh(b.v, a.v)))};
}

void k_pair_panel(const uint16_t* panel, int64_t k, float* pairs) {
  for (; k >= 2; k -= 2, panel += 2 * kPanelRows, pairs += kPanelRows)
    _mm512_storeu_si512(pairs, alternate_halves(_mm512_loadu_si512(panel)));
  if (k == 0) return;
  const __m256i last = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel));
  _mm512_storeu_si512(pairs, _mm512_cvtepu16_epi32(last));
}

void k_pair_row(const float* x, int64_t k, float* pairs) {
  int64_t i = 0;
  for (; i + 2 * kLanes <= k; i += 2 * kLanes) store(pairs + i / 2, pairs_in_row(load(x + i), load(x + i + kLanes)));
  if (i == k) return;
  const int rest = static_cast<int>(k - i);
  const F32 first = load_part(x + i, rest < kLanes ? rest : kLanes);
  const F32 second = rest > kLanes ? load_part(x + i + kLanes, rest - kLanes) : zero();
  store_part(pairs + i / 2, pairs_in_row(first, second), (rest + 1) / 2);
}

#else

constexpr bool kMultipliesPairs = false;
constexpr auto k_pair_panel = nullptr;
constexpr auto k_pair_row = nullptr;

#endif

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
