// The vector functions against double precision: the error bounds that cpu/kernels/math-inl.h promises, and special
// values.
#include "cpu/kernels/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "base/rng.h"
#include "tensor/dtype.h"
#include "tensor/half.h"

namespace galago::cpu {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class EachIsa : public ::testing::TestWithParam<Isa> {
 protected:
  const Kernels& k_ = kernels_for(GetParam());
  std::vector<float> unary(UnaryKind kind, const std::vector<float>& x) const {
    std::vector<float> y(x.size());
    k_.unary(kind, x.data(), y.data(), static_cast<int64_t>(x.size()));
    return y;
  }
};
INSTANTIATE_TEST_SUITE_P(Kernels, EachIsa, ::testing::ValuesIn(available_isas().begin(), available_isas().end()),
                         [](const auto& info) { return std::string(to_string(info.param)); });

// The distance between neighbouring floats at |x|.
double ulp(double x) {
  auto v = static_cast<float>(std::fabs(x));
  return static_cast<double>(std::nextafter(v, kInf)) - v;
}

struct Accuracy {
  UnaryKind kind;
  double low, high, ulps;
  double (*exact)(double);
};

TEST_P(EachIsa, FunctionsAreAccurate) {
  const Accuracy table[] = {
      {UnaryKind::Exp, -87, 88, 2, [](double x) { return std::exp(x); }},
      {UnaryKind::Exp, -103, -87, 2, [](double x) { return std::exp(x); }},
      {UnaryKind::Log, 1e-6, 2, 2, [](double x) { return std::log(x); }},
      {UnaryKind::Log, 2, 1e8, 2, [](double x) { return std::log(x); }},
      {UnaryKind::Tanh, -9, 9, 3, [](double x) { return std::tanh(x); }},
      {UnaryKind::Sin, -0.8, 0.8, 2, [](double x) { return std::sin(x); }},
      {UnaryKind::Sigmoid, -80, 80, 4, [](double x) { return 1 / (1 + std::exp(-x)); }},
      {UnaryKind::Softplus, -80, 19, 4, [](double x) { return std::log1p(std::exp(x)); }},
  };
  constexpr int kPoints = 200000;
  for (const Accuracy& row : table) {
    std::vector<float> x(kPoints);
    for (int i = 0; i < kPoints; ++i) x[i] = static_cast<float>(row.low + (row.high - row.low) * i / kPoints);
    std::vector<float> y = unary(row.kind, x);
    double worst = 0;
    float at = 0;
    for (int i = 0; i < kPoints; ++i) {
      double exact = row.exact(x[i]), error = std::fabs(y[i] - exact) / ulp(exact);
      if (error > worst) worst = error, at = x[i];
    }
    EXPECT_LE(worst, row.ulps) << to_string(row.kind) << "(" << at << ")";
  }
}

TEST_P(EachIsa, ErfThroughGeluIsAccurate) {
  for (double v = -6; v < 6; v += 0.001) {
    float x = static_cast<float>(v);
    double exact = x / 2.0 * (1 + std::erf(x / std::sqrt(2.0)));
    EXPECT_NEAR(unary(UnaryKind::GeluErf, {x})[0], exact, 2e-7 * std::max(1.0, std::fabs(v)));
  }
}

TEST_P(EachIsa, SinesOfLargeAnglesAreAccurate) {
  std::vector<float> x, s, c;
  for (int i = 0; i < 40000; ++i) x.push_back(static_cast<float>(i * 3.7 - 60000));
  x.insert(x.end(), {1e6f, -3e9f, 1e20f});
  s.resize(x.size()), c.resize(x.size());
  k_.sincos(x.data(), s.data(), c.data(), static_cast<int64_t>(x.size()));
  for (size_t i = 0; i < x.size(); ++i) {
    ASSERT_NEAR(s[i], std::sin(static_cast<double>(x[i])), 1.5e-7) << x[i];
    ASSERT_NEAR(c[i], std::cos(static_cast<double>(x[i])), 1.5e-7) << x[i];
  }
}

TEST_P(EachIsa, SpecialValues) {
  auto one = [&](UnaryKind kind, float x) { return unary(kind, std::vector<float>(20, x))[9]; };
  EXPECT_EQ(one(UnaryKind::Exp, -kInf), 0);
  EXPECT_EQ(one(UnaryKind::Exp, -200), 0);
  EXPECT_EQ(one(UnaryKind::Exp, kInf), kInf);
  EXPECT_EQ(one(UnaryKind::Exp, 0), 1);
  EXPECT_EQ(one(UnaryKind::Log, 0), -kInf);
  EXPECT_EQ(one(UnaryKind::Log, kInf), kInf);
  EXPECT_EQ(one(UnaryKind::Log, 1), 0);
  EXPECT_NEAR(one(UnaryKind::Log, 1e-40f), std::log(1e-40), 1e-4);
  EXPECT_TRUE(std::isnan(one(UnaryKind::Log, -1)));
  EXPECT_EQ(one(UnaryKind::Tanh, 100), 1);
  EXPECT_EQ(one(UnaryKind::Tanh, -kInf), -1);
  EXPECT_EQ(one(UnaryKind::Sigmoid, -kInf), 0);
  EXPECT_EQ(one(UnaryKind::Softplus, 50), 50);
  EXPECT_EQ(one(UnaryKind::Mish, 60), 60);
  for (UnaryKind kind : {UnaryKind::Exp, UnaryKind::Log, UnaryKind::Sin, UnaryKind::Sigmoid, UnaryKind::Tanh,
                         UnaryKind::Relu, UnaryKind::Relu6, UnaryKind::Silu, UnaryKind::GeluErf})
    EXPECT_TRUE(std::isnan(one(kind, kNan))) << to_string(kind);
}

TEST_P(EachIsa, MaxKeepsNan) {
  for (int n : {1, 5, 17, 40}) {
    std::vector<float> x(n, -3.0f);
    EXPECT_EQ(k_.max(x.data(), n), -3.0f);
    x[n / 2] = kNan;
    EXPECT_TRUE(std::isnan(k_.max(x.data(), n))) << n;
  }
  EXPECT_EQ(k_.max(nullptr, 0), -kInf);
}

TEST_P(EachIsa, HalvesConvertAsInSoftware) {
  std::vector<uint16_t> halves(65536), back(65536);
  std::vector<float> f16(65536), bf16(65536);
  for (int i = 0; i < 65536; ++i) halves[i] = static_cast<uint16_t>(i);
  k_.f16_to_f32(halves.data(), f16.data(), 65536);
  k_.bf16_to_f32(halves.data(), bf16.data(), 65536);
  for (int i = 0; i < 65536; ++i) {
    float expected = f16_to_f32(halves[i]);
    ASSERT_TRUE(f16[i] == expected || (std::isnan(f16[i]) && std::isnan(expected))) << i;
    expected = bf16_to_f32(halves[i]);
    ASSERT_TRUE(bf16[i] == expected || (std::isnan(bf16[i]) && std::isnan(expected))) << i;
  }
  // Values half-way between two halves, too large and too small ones.
  std::vector<float> x;
  for (uint32_t bits = 0; bits < 0x7F800000; bits += 0x1777) x.push_back(std::bit_cast<float>(bits));
  for (uint32_t bits = 0x33000000; bits < 0x47900000; bits += 0x1000) x.push_back(-std::bit_cast<float>(bits));
  back.resize(x.size());
  k_.f32_to_f16(x.data(), back.data(), static_cast<int64_t>(x.size()));
  for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(back[i], f32_to_f16(x[i])) << x[i];
  k_.f32_to_bf16(x.data(), back.data(), static_cast<int64_t>(x.size()));
  for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(back[i], f32_to_bf16(x[i])) << x[i];
}

// Caches must hold the same bytes whatever wrote them. Blocks of random numbers of every size; of quarters, of which
// many lie half-way between two codes; of zeros.
TEST_P(EachIsa, CodesOfEightBitsAreThoseOfTheFormat) {
  Rng rng(2);
  std::vector<float> x;
  for (int block = 0; block < 300; ++block) {
    const double scale = std::exp2(rng.uniform(-20, 12));
    for (int i = 0; i < 31; ++i)
      x.push_back(static_cast<float>(block % 3 == 0   ? scale * rng.normal()
                                     : block % 3 == 1 ? static_cast<double>(rng.below(1017)) / 4 - 127
                                                      : 0));
    x.push_back(block % 3 == 2 ? 0 : 127);
  }
  const auto n = static_cast<int64_t>(x.size());
  std::vector<uint8_t> got(x.size() / 32 * 34), expected(got);
  info(DType::Q8_0).encode(x.data(), expected.data(), n, nullptr);
  k_.f32_to_q8_0(x.data(), got.data(), n);
  EXPECT_EQ(got, expected);
}

}  // namespace
}  // namespace galago::cpu
