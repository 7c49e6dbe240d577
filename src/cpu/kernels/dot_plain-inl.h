// dot-inl.h in plain loops.
#pragma once

namespace galago::cpu::GALAGO_ISA {
namespace {

constexpr int kUnitRows = 8, kTileUnits = 1, kInt8Rows = 4;
struct IU {
  int32_t v[kUnitRows];
};
struct BytesU {
  uint8_t v[4 * kUnitRows];
};

GALAGO_INLINE int32_t to_int8(const V16& a, int8_t* p) {
  float f[16];
  vec_store(f, a);
  int32_t sum = 0;
  for (int i = 0; i < 16; ++i) {
    // Adding 1.5 * 2^23 rounds to an integer, ties to even; NaN becomes 0, its scale carries it.
    int32_t q = f[i] >= -128 && f[i] <= 128 ? static_cast<int32_t>((f[i] + 12582912.0f) - 12582912.0f) : 0;
    p[i] = static_cast<int8_t>(q);
    sum += q;
  }
  return sum;
}
GALAGO_INLINE Vec<kUnitRows> to_float(const IU& a) {
  float f[kUnitRows];
  for (int i = 0; i < kUnitRows; ++i) f[i] = static_cast<float>(a.v[i]);
  return vec_load<kUnitRows>(f);
}
template <class Function>
GALAGO_INLINE IU iu_each(Function row) {
  IU r;
  for (int i = 0; i < kUnitRows; ++i) r.v[i] = row(i);
  return r;
}
template <class Function>
GALAGO_INLINE BytesU bytes_each(Function byte) {
  BytesU r;
  for (int i = 0; i < 4 * kUnitRows; ++i) r.v[i] = static_cast<uint8_t>(byte(i));
  return r;
}
GALAGO_INLINE IU iu_set(int32_t x) {
  return iu_each([=](int) GALAGO_LAMBDA_INLINE { return x; });
}
GALAGO_INLINE IU operator-(const IU& a, const IU& b) {
  return iu_each([&](int i) GALAGO_LAMBDA_INLINE { return a.v[i] - b.v[i]; });
}
template <int n>
GALAGO_INLINE IU iu_shift_left(const IU& a) {
  return iu_each([&](int i) GALAGO_LAMBDA_INLINE { return a.v[i] * (1 << n); });
}
GALAGO_INLINE BytesU bytes_load(const uint8_t* p) {
  BytesU r;
  __builtin_memcpy(&r, p, sizeof r);
  return r;
}
GALAGO_INLINE void bytes_store(uint8_t* p, const BytesU& a) { __builtin_memcpy(p, &a, sizeof a); }
GALAGO_INLINE BytesU operator|(const BytesU& a, const BytesU& b) {
  return bytes_each([&](int i) GALAGO_LAMBDA_INLINE { return a.v[i] | b.v[i]; });
}
GALAGO_INLINE BytesU operator&(const BytesU& a, const BytesU& b) {
  return bytes_each([&](int i) GALAGO_LAMBDA_INLINE { return a.v[i] & b.v[i]; });
}
GALAGO_INLINE BytesU bytes_set(int x) {
  return bytes_each([=](int) GALAGO_LAMBDA_INLINE { return x; });
}
template <int n>
GALAGO_INLINE BytesU words_shift_right(const BytesU& a) {
  return bytes_each([&](int i) GALAGO_LAMBDA_INLINE { return a.v[i] >> n; });
}
template <int n>
GALAGO_INLINE BytesU words_shift_left(const BytesU& a) {
  return bytes_each([&](int i) GALAGO_LAMBDA_INLINE { return a.v[i] << n; });
}
GALAGO_INLINE BytesU look_up(const uint8_t* table, const BytesU& codes) {
  return bytes_each([&](int i) GALAGO_LAMBDA_INLINE { return table[codes.v[i]]; });
}
GALAGO_INLINE BytesU dot_ready(const BytesU& codes) { return codes; }
constexpr bool kSignedBytes = false;

GALAGO_INLINE IU add_products(const IU& sum, const BytesU& codes, const BytesU& q) {
  return iu_each([&](int r) GALAGO_LAMBDA_INLINE {
    int32_t total = sum.v[r];
    for (int x = 0; x < 4; ++x) total += codes.v[4 * r + x] * static_cast<int8_t>(q.v[4 * r + x]);
    return total;
  });
}

template <Codes kCodes, int kFrom = 0, int kTo = 8>
GALAGO_INLINE IU dot_block(const BytesU* codes, const int8_t* q) {
  IU sum = iu_set(0);
  for (int j = kFrom; j < kTo; ++j)
    for (int r = 0; r < kUnitRows; ++r)
      for (int x = 0; x < 4; ++x) sum.v[r] += codes[j].v[4 * r + x] * q[4 * j + x];
  return sum;
}

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
