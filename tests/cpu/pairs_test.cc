// Products of pairs of bf16: with numbers that bf16 holds they are as exact as those of f32; attention with them stays
// within their rounding.
#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "cpu/kernels/kernels.h"
#include "cpu/ops/panels.h"

namespace galago::cpu {
namespace {

std::vector<float> random_values(int64_t n, Rng& rng) {
  std::vector<float> x(static_cast<size_t>(n));
  for (float& v : x) v = static_cast<float>(rng.normal());
  return x;
}

// Levels with these products; none: the test is skipped.
std::vector<Isa> levels() {
  std::vector<Isa> found;
  for (Isa isa : available_isas())
    if (kernels_for(isa).pair_row) found.push_back(isa);
  return found;
}

// Multiples of 1/64 up to 2 need eight bits. Odd k, and a part of the last panel.
TEST(Pairs, ProductsOfRepresentableNumbersAreThoseOfFloats) {
  if (levels().empty()) GTEST_SKIP() << "no level of this processor multiplies bf16";
  Rng rng(5);
  for (auto [rows, n, k] : {std::array<int64_t, 3>{12, 16, 2}, {13, 83, 577}, {150, 130, 4304}, {600, 40, 31}}) {
    Tensor weight = Tensor::make(DType::F32, {n, k});
    for (float& v : weight.f32()) v = static_cast<float>(rng.uniform(-0.1, 0.1));
    weight = encode(weight, DType::BF16);
    std::vector<float> x(static_cast<size_t>(rows * k)), y(static_cast<size_t>(rows * n)), expected(y), bias(n, 0.5f);
    for (float& v : x) v = static_cast<float>(rng.below(255)) / 64 - 127.0f / 64;
    for (Isa isa : levels()) {
      ScopedIsa scope(isa);
      ThreadPool pool(2);
      Tensor packed = pack_weight(weight);
      Panels w = packed_matrix(packed, DType::BF16, n, k);
      Tensor scratch = Tensor::make(DType::U8, {static_cast<int64_t>(product_scratch(DType::BF16, rows, k, 2))});
      const std::span<std::byte> room{scratch.bytes(), scratch.n_bytes()};
      multiply(pool, w, x.data(), rows, bias.data(), true, expected.data(), room);
      multiply(pool, w, x.data(), rows, bias.data(), false, y.data(), room);
      // The same products added in f32 in another order: a few units of the sum of magnitudes, at most 2 * 0.1 * k.
      for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], expected[i], 2e-7 * static_cast<double>(k)) << n << i;
    }
  }
}

struct AttentionSize {
  int64_t queries, heads, keys, d, dv;
  bool causal;
  CacheFormat format;
};

std::vector<std::byte> stored(const std::vector<float>& x, CacheFormat format) {
  Tensor t = Tensor::make(DType::F32, {static_cast<int64_t>(x.size())});
  std::ranges::copy(x, t.f32().begin());
  if (format != CacheFormat::F32) t = encode(t, format == CacheFormat::F16 ? DType::F16 : DType::Q8_0);
  return {t.bytes(), t.bytes() + t.n_bytes()};
}

std::vector<float> attend(const AttentionSize& s, bool paired) {
  Rng rng(9);
  std::vector<float> q = random_values(s.queries * s.heads * s.d, rng), y(s.queries * s.heads * s.dv);
  const std::vector<std::byte> k = stored(random_values(s.keys * s.d, rng), s.format);
  const std::vector<std::byte> v = stored(random_values(s.keys * s.dv, rng), s.format);
  std::vector<float> k_pairs(k_pairs_floats(s.keys, s.d)), v_pairs(v_pairs_floats(s.keys, s.dv));
  std::vector<float> scratch(attention_scratch(s.queries * s.heads, s.d, s.dv) + kKeyTile * (s.d + s.dv));
  for (int64_t begin = 0; paired && begin < s.keys; begin += 2 * kKeyTile)
    kernels().pair_keys({.k = k.data(),
                         .v = v.data(),
                         .k_stride = s.d,
                         .v_stride = s.dv,
                         .k_format = s.format,
                         .v_format = s.format,
                         .begin = begin,
                         .end = std::min(s.keys, begin + 2 * kKeyTile),
                         .d = s.d,
                         .dv = s.dv,
                         .k_pairs = k_pairs.data(),
                         .v_pairs = v_pairs.data(),
                         .scratch = scratch.data()});
  kernels().attention({.q = q.data(),
                       .q_stride = s.heads * s.d,
                       .k = paired ? static_cast<const void*>(k_pairs.data()) : k.data(),
                       .v = paired ? static_cast<const void*>(v_pairs.data()) : v.data(),
                       .k_stride = s.d,
                       .v_stride = s.dv,
                       .k_format = s.format,
                       .v_format = s.format,
                       .queries = s.queries,
                       .heads = s.heads,
                       .d = s.d,
                       .dv = s.dv,
                       .first = 0,
                       .last = s.causal ? s.keys - s.queries : s.keys - 1,
                       .first_slope = 0,
                       .last_slope = s.causal,
                       .mask = nullptr,
                       .mask_stride = 0,
                       .scale = static_cast<float>(1 / std::sqrt(static_cast<double>(s.d))),
                       .paired = paired,
                       .y = y.data(),
                       .y_stride = s.heads * s.dv,
                       .scratch = scratch.data()});
  return y;
}

// bf16 rounds by 0.16 % of a number (deviation; 2^-8 at most): scores of deviation 1 by 0.22 %, values and
// probabilities by 0.16 % each, together 0.3 % of a value of deviation 1 for a query that looks at one key; 4
// deviations.
TEST(Pairs, AttentionStaysWithinTheirRounding) {
  if (levels().empty()) GTEST_SKIP() << "no level of this processor multiplies bf16";
  for (const AttentionSize& s : {AttentionSize{64, 1, 1024, 72, 72, false, CacheFormat::F32},
                                 {17, 3, 129, 64, 64, true, CacheFormat::F32},
                                 {33, 2, 65, 128, 96, true, CacheFormat::F16},
                                 {5, 7, 1, 32, 32, false, CacheFormat::F16},
                                 {40, 1, 333, 64, 64, true, CacheFormat::Q8_0},
                                 {3, 1, 70, 6, 5, false, CacheFormat::F32}})
    for (Isa isa : levels()) {
      ScopedIsa scope(isa);
      const std::vector<float> expected = attend(s, false), y = attend(s, true);
      EXPECT_NE(y, expected) << "the same bits: pairs were not taken";
      for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], expected[i], 0.012) << s.keys << " keys, " << i;
    }
}

}  // namespace
}  // namespace galago::cpu
