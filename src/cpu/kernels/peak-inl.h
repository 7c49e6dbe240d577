// The most that a level's arithmetic can do: loops over registers, with nothing to load. Used by cpu/peak.h.
#pragma once

namespace galago::cpu::GALAGO_ISA {
namespace {

constexpr int kPeakSums = 10;  // independent sums: the latency of a multiply-add times what runs at once, and two more

// As keep() of simd-inl.h, of all registers of a unit.
template <class Unit>
GALAGO_INLINE void keep_unit(Unit& u) {
#if defined(GALAGO_ISA_NEON)
  keep(u.a);
  keep(u.b);
#elif defined(GALAGO_ISA_AVX2) || defined(GALAGO_ISA_AVX512)
  keep(u.v);
#else
  asm volatile("" : "+m"(u));
#endif
}

int64_t k_peak_floats(int64_t rounds) {
  F32 sums[kPeakSums], x = set(0.5f);
  GALAGO_UNROLL for (int i = 0; i < kPeakSums; ++i) sums[i] = set(1);
  GALAGO_UNROLL for (int i = 0; i < kPeakSums; ++i) keep(sums[i].v);
  for (int64_t round = 0; round < rounds; ++round)
    GALAGO_UNROLL for (int i = 0; i < kPeakSums; ++i) {
      keep(x.v);
      sums[i] = fma(x, x, sums[i]);
    }
  GALAGO_UNROLL for (int i = 0; i < kPeakSums; ++i) keep(sums[i].v);
  return rounds * kPeakSums * kLanes * 2;
}

#if defined(GALAGO_ISA_BF16)
constexpr int kPairSums = 16;  // its latency is longer

int64_t k_peak_pairs(int64_t rounds) {
  F32 sums[kPairSums], x = zero();
  GALAGO_UNROLL for (int i = 0; i < kPairSums; ++i) sums[i] = set(1);
  for (int64_t round = 0; round < rounds; ++round)
    GALAGO_UNROLL for (int i = 0; i < kPairSums; ++i) {
      keep(x.v);
      sums[i] = fma_pairs(x, x, sums[i]);
    }
  GALAGO_UNROLL for (int i = 0; i < kPairSums; ++i) keep(sums[i].v);
  return rounds * kPairSums * kLanes * 4;
}
#else
constexpr auto k_peak_pairs = nullptr;
#endif

int64_t k_peak_bytes(int64_t rounds) {
  IU sums[kPeakSums];
  BytesU x = bytes_set(3);
  GALAGO_UNROLL for (int i = 0; i < kPeakSums; ++i) sums[i] = iu_set(1);
  GALAGO_UNROLL for (int i = 0; i < kPeakSums; ++i) keep_unit(sums[i]);
  for (int64_t round = 0; round < rounds; ++round)
    GALAGO_UNROLL for (int i = 0; i < kPeakSums; ++i) {
      keep_unit(x);
      sums[i] = add_products(sums[i], x, x);
    }
  GALAGO_UNROLL for (int i = 0; i < kPeakSums; ++i) keep_unit(sums[i]);
  return rounds * kPeakSums * kUnitRows * 4 * 2;
}

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
