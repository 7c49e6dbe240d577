#include "tensor/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/rng.h"

namespace galago {
namespace {

// The value of a half by its definition.
double half_value(uint16_t half) {
  int exponent = (half >> 10) & 31, fraction = half & 1023;
  double magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return half & 0x8000 ? -magnitude : magnitude;
}

bool is_nan_or_inf(uint16_t half) { return (half & 0x7C00) == 0x7C00; }

TEST(F16, DecodesEveryValue) {
  for (uint32_t h = 0; h < 65536; ++h) {
    auto half = static_cast<uint16_t>(h);
    float decoded = f16_to_f32(half);
    if (is_nan_or_inf(half)) {
      EXPECT_EQ(std::isnan(decoded), (h & 0x3FF) != 0) << h;
      EXPECT_EQ(std::signbit(decoded), h >= 32768) << h;
    } else {
      ASSERT_EQ(decoded, static_cast<float>(half_value(half))) << h;
      ASSERT_EQ(std::signbit(decoded), h >= 32768) << h;
    }
  }
}

TEST(F16, EncodeInvertsDecode) {
  for (uint32_t h = 0; h < 65536; ++h) {
    auto half = static_cast<uint16_t>(h);
    uint16_t expected = std::isnan(f16_to_f32(half)) ? half | 0x200 : half;
    ASSERT_EQ(f32_to_f16(f16_to_f32(half)), expected) << h;
  }
}

// Between neighbours the nearer wins; exactly in the middle the even one; one f32 step beside the middle decides.
TEST(F16, RoundsToNearestEvenEverywhere) {
  for (uint32_t h = 0; h < 0x7BFF; ++h) {
    auto low = static_cast<uint16_t>(h), high = static_cast<uint16_t>(h + 1);
    auto middle = static_cast<float>((half_value(low) + half_value(high)) / 2);
    ASSERT_EQ(f32_to_f16(middle), h % 2 == 0 ? low : high) << h;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 0.0f)), low) << h;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 1e9f)), high) << h;
    ASSERT_EQ(f32_to_f16(-middle), (h % 2 == 0 ? low : high) | 0x8000) << h;
  }
}

TEST(F16, LargeValuesBecomeInfinity) {
  EXPECT_EQ(f32_to_f16(65504.0f), 0x7BFF);
  EXPECT_EQ(f32_to_f16(65519.0f), 0x7BFF);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7C00);
  EXPECT_EQ(f32_to_f16(-1e30f), 0xFC00);
  EXPECT_EQ(f32_to_f16(std::numeric_limits<float>::infinity()), 0x7C00);
  EXPECT_EQ(f32_to_f16(std::bit_cast<float>(0x7F800001u)), 0x7E00);  // a signalling NaN without upper bits
}

TEST(Bf16, DecodesAndInverts) {
  for (uint32_t h = 0; h < 65536; ++h) {
    auto half = static_cast<uint16_t>(h);
    float decoded = bf16_to_f32(half);
    ASSERT_EQ(std::bit_cast<uint32_t>(decoded), h << 16);
    ASSERT_EQ(f32_to_bf16(decoded), std::isnan(decoded) ? half | 0x40 : half) << h;
  }
}

TEST(Bf16, RoundsToNearestEven) {
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3F808000u)), 0x3F80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3F818000u)), 0x3F82);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3F808001u)), 0x3F81);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3F807FFFu)), 0x3F80);
  EXPECT_EQ(f32_to_bf16(std::numeric_limits<float>::max()), 0x7F80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x7F800001u)), 0x7FC0);
  Rng rng(1);
  for (int i = 0; i < 10000; ++i) {
    auto value = static_cast<float>(rng.normal());
    float back = bf16_to_f32(f32_to_bf16(value));
    ASSERT_LE(std::fabs(back - value), std::fabs(value) / 256) << value;
  }
}

}  // namespace
}  // namespace galago
