// IQ4_NL (ggml): blocks of 32 values in 18 bytes: f16 d; u8 codes[16]. value = kIq4Values[q] * d.
#include "tensor/formats/iq4.h"

namespace galago {
namespace {

constexpr int kBytes = 18, kCodesAt = 2;

struct Iq4Fit {
  float xv = 0, vv = 0;  // weighted products of values and codes
};

Iq4Fit try_inverse(const float* x, const float* w, int n, float inverse) {
  Iq4Fit fit;
  for (int i = 0; i < n; ++i) {
    auto v = static_cast<float>(kIq4Values[nearest_iq4(inverse * x[i])]);
    fit.xv += w[i] * v * x[i];
    fit.vv += w[i] * v * v;
  }
  return fit;
}

}  // namespace

float fit_iq4(const float* x, const float* w, int n) {
  constexpr int kSteps = 7;
  constexpr auto kLowest = static_cast<float>(kIq4Values[0]);
  float largest = signed_max(x, n);
  if (std::fabs(largest) < kNegligible) return 0;

  Iq4Fit fit = try_inverse(x, w, n, 1 / (-largest / kLowest));
  float scale = fit.vv > 0 ? fit.xv / fit.vv : 0.0f;
  float best = scale * fit.xv;
  for (int step = -kSteps; step <= kSteps; ++step) {
    fit = try_inverse(x, w, n, (static_cast<float>(step) + kLowest) / largest);
    if (!(fit.vv > 0 && fit.xv * fit.xv > best * fit.vv)) continue;
    scale = fit.xv / fit.vv;
    best = scale * fit.xv;
  }
  return scale;
}

void unpack_IQ4_NL(const void* row, int64_t group, Unpacked& u) {
  const uint8_t* block = static_cast<const uint8_t*>(row) + group * kBytes;
  set_scale(u, load_f16(block));
  for (int i = 0; i < kGroupValues; ++i) u.code[i] = kIq4Values[get_nibble(block + kCodesAt, i)];
}

// The codes use d before it is rounded to f16.
void encode_IQ4_NL(const float* values, void* row, int64_t n, const float* importance) {
  auto* block = static_cast<uint8_t*>(row);
  for (int64_t at = 0; at < n; at += kGroupValues, block += kBytes) {
    const float* x = values + at;
    float w[kGroupValues];
    weigh_iq4(x, importance ? importance + at : nullptr, 2 * sum_of_squares(x, kGroupValues) / kGroupValues, w);
    float d = fit_iq4(x, w, kGroupValues);
    store_f16(block, d);
    put_iq4(x, d, block + kCodesAt);
  }
}

}  // namespace galago
