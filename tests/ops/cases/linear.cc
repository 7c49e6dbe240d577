// Cases of linear and expert_linear: every weight format, sizes around the panels of 16 rows and the tiles of 6 and 16.
#include <algorithm>

#include "tests/ops/op_case.h"

namespace galago::test {
namespace {

// How the activations of a weight in blocks or bf16 are chosen: any, so that rounding them shows, or multiples of 1/64
// with 127/64 in each block of 32, which int8 and bf16 hold exactly, so that any other error shows.
enum class Activations { Any, Exact };

std::vector<float> exact_activations(Inputs& in, int64_t n) {
  std::vector<float> x(n);
  for (int64_t i = 0; i < n; ++i) x[i] = static_cast<float>(in.rng().below(255)) / 64 - 127.0f / 64;
  for (int64_t i = 0; i + 32 <= n; i += 32) x[i + static_cast<int64_t>(in.rng().below(32))] = 127.0f / 64;
  return x;
}

Value activations(Inputs& in, const Shape& shape, Activations kind) {
  if (kind == Activations::Exact) return in.f32(shape, exact_activations(in, shape.elements()));
  return in.f32(shape, Range{-1, 1});
}

bool in_blocks(DType dtype) { return info(dtype).quantized(); }

std::string variant_of(DType dtype, Activations kind) {
  std::string name(info(dtype).name);
  return in_blocks(dtype) || dtype == DType::BF16 ? name + (kind == Activations::Exact ? "_exact" : "_any") : name;
}

// Float weights: up to 2500 products of at most 0.1, added in f32 in another order: measured 3e-6.
// Blocks, any activations in -1..1: each is rounded by at most half a step, 1/254, evenly: with weights in -0.1..0.1
// and k = 1024 the errors have a deviation of 1/127/sqrt(12) * 0.058 * 32 = 0.0042; 5 of them.
// BF16, any activations in -1..1: those in 1/2..1 are rounded by at most 2^-9, evenly, those below by less, which gives
// errors of deviation 0.00085: with k = 2500 a sum's is 0.00085 * 0.058 * 50 = 0.0025; 5 of them.
double tolerance_of(DType dtype, Activations kind) {
  if (dtype == DType::BF16 && kind == Activations::Any) return 0.0125;
  return in_blocks(dtype) && kind == Activations::Any ? 0.021 : 1e-5;
}

struct LinearCase : OpCase {
  DType dtype;
  Activations kind;
  explicit LinearCase(DType dtype, Activations kind = Activations::Any) : dtype(dtype), kind(kind) {}
  Op op() const override { return Op::Linear; }
  std::string variant() const override { return variant_of(dtype, kind); }

  std::vector<Shape> shapes() const override {  // rows, n_out, k
    if (info(dtype).block_values == 256) return {{1, 1, 256}, {7, 17, 512}, {0, 5, 256}, {1, 100, 1024}, {37, 33, 256}};
    if (in_blocks(dtype))
      return {{1, 1, 32}, {1, 33, 96},   {7, 17, 64},    {0, 5, 32},
              {4, 0, 32}, {1, 300, 960}, {33, 100, 160}, {150, 130, 96}};
    return {{1, 1, 1},   {3, 7, 5},    {0, 5, 8},     {4, 0, 8},       {2, 3, 0},      {1, 33, 7},
            {5, 16, 33}, {17, 65, 33}, {1, 200, 700}, {100, 150, 129}, {13, 50, 2500}, {1, 17, 2500}};
  }

  Value build(Graph& g, Inputs& in) const override {
    const Shape& s = in.shape();
    Value x = activations(in, {s[0], s[2]}, kind), w = in.weight({s[1], s[2]}, {-0.1, 0.1}, dtype);
    return s[0] % 2 ? linear(g, x, w, in.weight({s[1]})) : linear(g, x, w);
  }

  double tolerance() const override { return tolerance_of(dtype, kind); }
  bool exact() const override { return kind == Activations::Exact; }
  bool differentiable() const override { return dtype == DType::F32; }
};
OP_CASE(LinearCase, DType::F32);
OP_CASE(LinearCase, DType::F16);
OP_CASE(LinearCase, DType::BF16, Activations::Any);
OP_CASE(LinearCase, DType::BF16, Activations::Exact);
#define OP_CASE_BLOCKS(dtype)                   \
  OP_CASE(LinearCase, dtype, Activations::Any); \
  OP_CASE(LinearCase, dtype, Activations::Exact)
OP_CASE_BLOCKS(DType::Q8_0);
OP_CASE_BLOCKS(DType::Q4_0);
OP_CASE_BLOCKS(DType::Q4_1);
OP_CASE_BLOCKS(DType::Q5_0);
OP_CASE_BLOCKS(DType::Q5_1);
OP_CASE_BLOCKS(DType::Q2_K);
OP_CASE_BLOCKS(DType::Q3_K);
OP_CASE_BLOCKS(DType::Q4_K);
OP_CASE_BLOCKS(DType::Q5_K);
OP_CASE_BLOCKS(DType::Q6_K);
OP_CASE_BLOCKS(DType::IQ4_NL);
OP_CASE_BLOCKS(DType::IQ4_XS);

// Weights at both ends of int8: -128 is what AVX2 must not overflow on.
struct LinearLimitsCase : OpCase {
  Op op() const override { return Op::Linear; }
  std::string variant() const override { return "q8_0_limits"; }
  std::vector<Shape> shapes() const override { return {{1, 16, 64}, {5, 17, 256}}; }
  Value build(Graph& g, Inputs& in) const override {
    const Shape& s = in.shape();
    Tensor w = Tensor::make(DType::Q8_0, {s[1], s[2]});
    for (int64_t block = 0; block < w.elements() / 32; ++block) {
      std::byte* bytes = w.bytes() + 34 * block;
      bytes[1] = std::byte{0x18};  // scale 0x1800, 2^-9
      for (int i = 0; i < 32; ++i) bytes[2 + i] = std::byte(block % 2 ? 0x80 : 0x7F);
    }
    std::vector<float> x(s[0] * s[2]);
    for (float& v : x) v = in.rng().below(2) ? 127.0f / 64 : -127.0f / 64;
    std::fill(x.begin(), x.begin() + s[2], 127.0f / 64);
    return linear(g, in.f32({s[0], s[2]}, x), g.weight(std::make_shared<const Weight>(Weight{"w", w})));
  }
  double tolerance() const override { return 1e-6; }  // integers until the scale
  bool differentiable() const override { return false; }
};
OP_CASE(LinearLimitsCase);

struct ExpertLinearCase : OpCase {
  DType dtype;
  Activations kind;
  explicit ExpertLinearCase(DType dtype, Activations kind = Activations::Any) : dtype(dtype), kind(kind) {}
  Op op() const override { return Op::ExpertLinear; }
  std::string variant() const override { return variant_of(dtype, kind); }
  std::vector<Shape> shapes() const override {  // tokens, slots, n_out, k
    if (in_blocks(dtype)) return {{1, 1, 1, 32}, {7, 2, 17, 64}, {40, 2, 33, 96}, {0, 2, 5, 32}};
    return {{1, 1, 1, 1}, {3, 2, 7, 5}, {7, 3, 17, 33}, {40, 2, 65, 40}, {0, 2, 5, 8}};
  }
  Value build(Graph& g, Inputs& in) const override {
    const Shape& s = in.shape();
    constexpr int64_t kExperts = 5;
    const int64_t x_slots = s[0] % 2 ? 1 : s[1];  // odd numbers of tokens: one row of x for all slots
    Value x = activations(in, {s[0], x_slots, s[3]}, kind);
    return expert_linear(g, x, in.weight({kExperts, s[2], s[3]}, {-0.1, 0.1}, dtype), in.ids({s[0], s[1]}, kExperts));
  }
  double tolerance() const override { return tolerance_of(dtype, kind); }
  bool exact() const override { return kind == Activations::Exact; }
  bool differentiable() const override { return dtype == DType::F32; }
};
OP_CASE(ExpertLinearCase, DType::F32);
OP_CASE(ExpertLinearCase, DType::F16);
OP_CASE(ExpertLinearCase, DType::Q8_0, Activations::Exact);
OP_CASE(ExpertLinearCase, DType::Q4_0, Activations::Any);
OP_CASE(ExpertLinearCase, DType::IQ4_NL, Activations::Exact);

}  // namespace
}  // namespace galago::test
