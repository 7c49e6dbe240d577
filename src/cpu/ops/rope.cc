// Rotary positions (Su et al. 2021, arXiv:2104.09864); layouts and the rounding of angles: graph/builder.h.
#include <cmath>
#include <cstring>

#include "cpu/ops/common.h"

namespace galago::cpu {
namespace {

struct Rope {
  const RopeAttrs& attrs;
  int64_t tokens, heads, width, half;  // tokens over the batch; channels a head; pairs that turn
  int64_t n_positions;
  const int32_t* positions;
  const float* factors;

  explicit Rope(const OpCall& c) : attrs(c.node.attr<RopeAttrs>()) {
    const Shape& shape = c.out.shape();
    tokens = shape[0] * shape[1];
    heads = shape[2];
    width = shape[3];
    half = attrs.n_rot / 2;
    n_positions = c.in[1].elements();
    positions = i32(c.in[1]);
    factors = c.in.size() > 2 ? f32(c.in[2]) : nullptr;
  }
  // base^(-2i/n_rot) by repeated multiplication in double: exact to the float it is rounded to, without a pow each.
  double ratio() const { return std::pow(static_cast<double>(attrs.base), -1.0 / static_cast<double>(half)); }
};

void rope_scalar(const OpCall& c) {
  Rope r(c);
  bool halves = r.attrs.layout == RopeLayout::Halves;
  for (int64_t token = 0; token < r.tokens; ++token) {
    for (int64_t head = 0; head < r.heads; ++head) {
      const float* x = f32(c.in[0]) + (token * r.heads + head) * r.width;
      float* y = f32(c.out) + (token * r.heads + head) * r.width;
      for (int64_t i = 0; i < r.half; ++i) {
        double power = std::pow(static_cast<double>(r.attrs.base), -2.0 * static_cast<double>(i) / r.attrs.n_rot);
        float inverse = static_cast<float>(r.factors ? power / r.factors[i] : power);
        float angle = static_cast<float>(r.positions[token % r.n_positions]) * inverse;
        double cos = std::cos(static_cast<double>(angle)) * r.attrs.scale;
        double sin = std::sin(static_cast<double>(angle)) * r.attrs.scale;
        int64_t first = halves ? i : 2 * i, second = halves ? i + r.half : 2 * i + 1;
        double a = x[first], b = x[second];
        y[first] = static_cast<float>(a * cos - b * sin);
        y[second] = static_cast<float>(b * cos + a * sin);
      }
      for (int64_t i = 2 * r.half; i < r.width; ++i) y[i] = x[i];
    }
  }
}

// Scratch: cos then sin, each [positions, half].
size_t rope_scratch(const Node& node, std::span<const Tensor> in, int) {
  return 2 * sizeof(float) * static_cast<size_t>(in[1].elements() * (node.attr<RopeAttrs>().n_rot / 2));
}

void fill_table(const OpCall& c, const Rope& r, float* cos, float* sin) {
  double ratio = r.half > 0 ? r.ratio() : 1;
  for_rows(c.pool, r.n_positions, 8 * r.half, [&](int64_t begin, int64_t end) {
    double power = 1;
    for (int64_t i = 0; i < r.half; ++i, power *= ratio) {
      float inverse = static_cast<float>(r.factors ? power / r.factors[i] : power);
      for (int64_t p = begin; p < end; ++p) cos[p * r.half + i] = static_cast<float>(r.positions[p]) * inverse;
    }
    int64_t at = begin * r.half, n = (end - begin) * r.half;
    kernels().sincos(cos + at, sin + at, cos + at, n);
    if (r.attrs.scale == 1.0f) return;
    for (float* table : {cos + at, sin + at}) kernels().affine(table, r.attrs.scale, 0.0f, table, n);
  });
}

void rope_fast(const OpCall& c) {
  Rope r(c);
  float* cos = reinterpret_cast<float*>(c.scratch.data());
  float* sin = cos + r.n_positions * r.half;
  if (r.tokens == 0) return;
  fill_table(c, r, cos, sin);
  bool moves = c.out.bytes() != c.in[0].bytes();
  for_rows(c.pool, r.tokens, r.heads * r.width, [&](int64_t begin, int64_t end) {
    const Kernels& k = kernels();
    for (int64_t row = begin * r.heads; row < end * r.heads; ++row) {
      const float* x = f32(c.in[0]) + row * r.width;
      float* y = f32(c.out) + row * r.width;
      int64_t at = row / r.heads % r.n_positions * r.half;
      if (r.attrs.layout == RopeLayout::Halves)
        k.rotate_halves(x, x + r.half, cos + at, sin + at, y, y + r.half, r.half);
      else
        k.rotate_pairs(x, cos + at, sin + at, y, r.half);
      if (moves) std::memcpy(y + 2 * r.half, x + 2 * r.half, (r.width - 2 * r.half) * sizeof(float));
    }
  });
}

}  // namespace

CpuOp make_Rope() {
  return {.scalar = rope_scalar, .fast = rope_fast, .in_place = true, .scratch_bytes = rope_scratch};
}

}  // namespace galago::cpu
