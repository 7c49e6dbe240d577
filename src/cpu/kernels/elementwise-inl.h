// Kernels that treat every value alike: activations, sums and products of two rows, number formats.
#pragma once

#include "cpu/kernels/math-inl.h"

namespace galago::cpu::GALAGO_ISA {
namespace {

// One struct an activation; the formulas are in graph/builder.h.
struct UNeg { GALAGO_INLINE F32 operator()(F32 x) const { return -x; } };
struct UAbs { GALAGO_INLINE F32 operator()(F32 x) const { return abs(x); } };
struct USquare { GALAGO_INLINE F32 operator()(F32 x) const { return x * x; } };
struct USqrt { GALAGO_INLINE F32 operator()(F32 x) const { return sqrt(x); } };
struct URsqrt { GALAGO_INLINE F32 operator()(F32 x) const { return set(1.0f) / sqrt(x); } };
struct UExp { GALAGO_INLINE F32 operator()(F32 x) const { return exp(x); } };
struct ULog { GALAGO_INLINE F32 operator()(F32 x) const { return log(x); } };
struct USigmoid { GALAGO_INLINE F32 operator()(F32 x) const { return sigmoid(x); } };
struct UTanh { GALAGO_INLINE F32 operator()(F32 x) const { return tanh(x); } };
struct URelu { GALAGO_INLINE F32 operator()(F32 x) const { return max(zero(), x); } };  // NaN stays
struct URelu6 { GALAGO_INLINE F32 operator()(F32 x) const { return min(set(6.0f), max(zero(), x)); } };
struct USilu { GALAGO_INLINE F32 operator()(F32 x) const { return x / (exp(-x) + set(1.0f)); } };
struct UGeluErf {
  GALAGO_INLINE F32 operator()(F32 x) const { return set(0.5f) * x * (set(1.0f) + erf(x * set(0.707106781f))); }
};
// x/2 (1 + tanh(u)) = x sigmoid(2u)
struct UGeluTanh {
  GALAGO_INLINE F32 operator()(F32 x) const {
    F32 u = set(0.797884561f) * fma(set(0.044715f) * x * x, x, x);
    return x * sigmoid(u + u);
  }
};
struct UQuickGelu { GALAGO_INLINE F32 operator()(F32 x) const { return x * sigmoid(set(1.702f) * x); } };
// log(1 + e) with what rounding 1 + e lost added back.
struct USoftplus {
  GALAGO_INLINE F32 operator()(F32 x) const {
    F32 e = exp(min(set(20.0f), x)), u = set(1.0f) + e;
    return select(set(20.0f) < x, x, log(u) + (e - (u - set(1.0f))) / u);
  }
};
// tanh(log(1 + e)) = w / (w + 2), w = e (e + 2); 1 in float from x = 20 on.
struct UMish {
  GALAGO_INLINE F32 operator()(F32 x) const {
    F32 e = exp(min(set(20.0f), x)), w = e * (e + set(2.0f));
    return x * (w / (w + set(2.0f)));
  }
};

template <class Function>
void map(Function f, const float* x, float* y, int64_t n) {
  each_vector(n, [=](int64_t i, auto place) __attribute__((always_inline)) { put(y + i, f(get(x + i, place)), place); });
}

template <class Function>
void map_product(Function f, const float* gate, const float* up, float* y, int64_t n) {
  each_vector(n, [=](int64_t i, auto place) __attribute__((always_inline)) {
    put(y + i, f(get(gate + i, place)) * get(up + i, place), place);
  });
}

template <bool want_sin, bool want_cos>
void sin_cos(const float* x, float* sin, float* cos, int64_t n) {
  each_vector(n, [=](int64_t i, auto place) __attribute__((always_inline)) {
    F32 angle = get(x + i, place);
    if (kLanes == 1 || any(set(1e5f) < abs(angle)) || any(is_nan(angle))) {  // libm reduces large angles
      int64_t end = i + kLanes < n ? i + kLanes : n;
      for (int64_t j = i; j < end; ++j) {
        float value = x[j];
        if (want_sin) sin[j] = __builtin_sinf(value);
        if (want_cos) cos[j] = __builtin_cosf(value);
      }
      return;
    }
    F32 s, c;
    sincos_reduced(angle, &s, &c);
    if (want_sin) put(sin + i, s, place);
    if (want_cos) put(cos + i, c, place);
  });
}

void k_sincos(const float* x, float* sin, float* cos, int64_t n) { sin_cos<true, true>(x, sin, cos, n); }

// Calls use(functor) for every kind but Sin and Cos.
template <class Use>
GALAGO_INLINE void with_unary(UnaryKind kind, Use use) {
  switch (kind) {
    case UnaryKind::Neg: return use(UNeg{});
    case UnaryKind::Abs: return use(UAbs{});
    case UnaryKind::Square: return use(USquare{});
    case UnaryKind::Sqrt: return use(USqrt{});
    case UnaryKind::Rsqrt: return use(URsqrt{});
    case UnaryKind::Exp: return use(UExp{});
    case UnaryKind::Log: return use(ULog{});
    case UnaryKind::Sin: case UnaryKind::Cos: return;
    case UnaryKind::Sigmoid: return use(USigmoid{});
    case UnaryKind::Tanh: return use(UTanh{});
    case UnaryKind::Relu: return use(URelu{});
    case UnaryKind::Relu6: return use(URelu6{});
    case UnaryKind::Silu: return use(USilu{});
    case UnaryKind::GeluErf: return use(UGeluErf{});
    case UnaryKind::GeluTanh: return use(UGeluTanh{});
    case UnaryKind::QuickGelu: return use(UQuickGelu{});
    case UnaryKind::Softplus: return use(USoftplus{});
    case UnaryKind::Mish: return use(UMish{});
  }
}

void k_unary(UnaryKind kind, const float* x, float* y, int64_t n) {
  if (kind == UnaryKind::Sin) return sin_cos<true, false>(x, y, nullptr, n);
  if (kind == UnaryKind::Cos) return sin_cos<false, true>(x, nullptr, y, n);
  with_unary(kind, [=](auto f) { map(f, x, y, n); });
}

void k_affine(const float* x, float scale, float bias, float* y, int64_t n) {
  map([=](F32 v) __attribute__((always_inline)) { return fma(set(scale), v, set(bias)); }, x, y, n);
}

void k_clamp(const float* x, float low, float high, float* y, int64_t n) {
  map([=](F32 v) __attribute__((always_inline)) { return min(set(high), max(set(low), v)); }, x, y, n);
}

struct BAdd { GALAGO_INLINE F32 operator()(F32 a, F32 b) const { return a + b; } };
struct BSub { GALAGO_INLINE F32 operator()(F32 a, F32 b) const { return a - b; } };
struct BMul { GALAGO_INLINE F32 operator()(F32 a, F32 b) const { return a * b; } };
struct BDiv { GALAGO_INLINE F32 operator()(F32 a, F32 b) const { return a / b; } };

template <class Function>
void combine(Function f, const float* a, bool one_a, const float* b, bool one_b, float* y, int64_t n) {
  if (n == 0) return;
  if (one_a) return map([f, v = set(*a)](F32 x) __attribute__((always_inline)) { return f(v, x); }, b, y, n);
  if (one_b) return map([f, v = set(*b)](F32 x) __attribute__((always_inline)) { return f(x, v); }, a, y, n);
  each_vector(n, [=](int64_t i, auto place) __attribute__((always_inline)) {
    put(y + i, f(get(a + i, place), get(b + i, place)), place);
  });
}

void k_binary(BinaryKind kind, const float* a, bool one_a, const float* b, bool one_b, float* y, int64_t n) {
  switch (kind) {
    case BinaryKind::Add: return combine(BAdd{}, a, one_a, b, one_b, y, n);
    case BinaryKind::Sub: return combine(BSub{}, a, one_a, b, one_b, y, n);
    case BinaryKind::Mul: return combine(BMul{}, a, one_a, b, one_b, y, n);
    case BinaryKind::Div: return combine(BDiv{}, a, one_a, b, one_b, y, n);
  }
}

void k_glu(UnaryKind kind, const float* gate, const float* up, float* y, int64_t n) {
  if (kind == UnaryKind::Sin || kind == UnaryKind::Cos) {  // nobody's gate: y may be `up`, so in pieces through a buffer
    float piece[64];
    for (int64_t i = 0; i < n; i += 64) {
      int64_t length = n - i < 64 ? n - i : 64;
      k_unary(kind, gate + i, piece, length);
      combine(BMul{}, piece, false, up + i, false, y + i, length);
    }
    return;
  }
  with_unary(kind, [=](auto f) { map_product(f, gate, up, y, n); });
}

void k_axpy(float a, const float* x, float* y, int64_t n) {
  each_vector(n, [=](int64_t i, auto place) __attribute__((always_inline)) {
    put(y + i, fma(set(a), get(x + i, place), get(y + i, place)), place);
  });
}

void k_max_into(const float* x, float* y, int64_t n) {
  each_vector(n, [=](int64_t i, auto place) __attribute__((always_inline)) {
    F32 a = get(y + i, place), b = get(x + i, place);
    put(y + i, select(is_nan(a), a, max(a, b)), place);  // max gives b if b is NaN
  });
}

// ---- number formats: whole vectors, the tail through a buffer ----------------------------------------------------------
template <class From, class To, class Convert>
GALAGO_INLINE void convert(const From* x, To* y, int64_t n, Convert vector) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) vector(x + i, y + i);
  if (i == n) return;
  From from[kLanes] = {};
  To to[kLanes];
  for (int64_t j = i; j < n; ++j) from[j - i] = x[j];
  vector(from, to);
  for (int64_t j = i; j < n; ++j) y[j] = to[j - i];
}

void k_f16_to_f32(const uint16_t* x, float* y, int64_t n) {
  convert(x, y, n, [](const uint16_t* from, float* to) { store(to, load_f16(from)); });
}
void k_f32_to_f16(const float* x, uint16_t* y, int64_t n) {
  convert(x, y, n, [](const float* from, uint16_t* to) { store_f16(to, load(from)); });
}
void k_bf16_to_f32(const uint16_t* x, float* y, int64_t n) {
  convert(x, y, n, [](const uint16_t* from, float* to) { store(to, load_bf16(from)); });
}
void k_f32_to_bf16(const float* x, uint16_t* y, int64_t n) {  // integer arithmetic: the compiler vectorises it
  for (int64_t i = 0; i < n; ++i) {
    uint32_t raw = __builtin_bit_cast(uint32_t, x[i]);
    bool nan = (raw & 0x7FFFFFFF) > 0x7F800000;
    y[i] = static_cast<uint16_t>((nan ? raw | 0x400000 : raw + 0x7FFF + ((raw >> 16) & 1)) >> 16);
  }
}

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
