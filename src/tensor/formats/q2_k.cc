// Q2_K (ggml): blocks of 256 values in 84 bytes, sixteen sub-blocks of 16 with 4-bit scales and minima.
//   u8 s[16] (scale in the low nibble, minimum in the high one); u8 crumbs[64]; f16 d; f16 dmin.
//   value n of sub-block j = n / 16:  (d * scale_j) * q - dmin * min_j
#include "tensor/formats/codec.h"
#include "tensor/formats/fit.h"

namespace galago {
namespace {

constexpr int kValues = 256, kBytes = 84, kSubs = 16, kSubValues = 16, kTop = 3;
constexpr int kCodesAt = 16, kDAt = 80, kMinAt = 82;
constexpr FitSearch kSearch{-0.5f, 0.1f, 15, true};

// The stored scales differ from the fitted ones, so the codes are chosen again; a zero scale keeps the fitted codes.
void put_codes(const float* values, int* codes, uint8_t* block) {
  for (int n = 0; n < kValues; ++n) {
    int sub = block[n / kSubValues];
    float scale = load_f16(block + kDAt) * static_cast<float>(sub & 15);
    float minimum = load_f16(block + kMinAt) * static_cast<float>(sub >> 4);
    if (scale != 0) codes[n] = std::clamp(round_even((values[n] + minimum) / scale), 0, kTop);
    put_crumb(block + kCodesAt, n, codes[n]);
  }
}

void encode_block(const float* values, const float* importance, uint8_t* block) {
  std::memset(block, 0, kBytes);
  int codes[kValues], scale_codes[kSubs], min_codes[kSubs];
  float scales[kSubs], minima[kSubs], weights[kSubs];
  float variance = importance ? sum_of_squares(values, kValues) / kValues : 0.0f;
  for (int j = 0; j < kSubs; ++j) {
    const float* x = values + kSubValues * j;
    float w[kSubValues];
    for (int i = 0; i < kSubValues; ++i) w[i] = std::fabs(x[i]);
    if (importance) weights[j] = weigh(x, importance + kSubValues * j, variance, kSubValues, w);
    scales[j] = fit_scale_and_min(x, w, kSubValues, kTop, importance ? kImportanceSearch : kSearch,
                                  codes + kSubValues * j, &minima[j]);
  }
  store_f16(block + kDAt, fit_positive(scales, importance ? weights : nullptr, kSubs, 15, scale_codes));
  store_f16(block + kMinAt, fit_positive(minima, importance ? weights : nullptr, kSubs, 15, min_codes));
  for (int j = 0; j < kSubs; ++j) block[j] = static_cast<uint8_t>(scale_codes[j] | min_codes[j] << 4);
  put_codes(values, codes, block);
}

}  // namespace

void unpack_Q2_K(const void* row, int64_t group, Unpacked& u) {
  auto [block, index] = find_group(row, group, kValues, kBytes);
  for (int half = 0; half < 2; ++half) {
    int sub = block[2 * index + half];
    u.scale[half] = load_f16(block + kDAt) * static_cast<float>(sub & 15);
    u.minimum[half] = load_f16(block + kMinAt) * static_cast<float>(sub >> 4);
  }
  for (int i = 0; i < kGroupValues; ++i)
    u.code[i] = static_cast<int8_t>(get_crumb(block + kCodesAt, kGroupValues * index + i));
}

void encode_Q2_K(const float* values, void* row, int64_t n, const float* importance) {
  auto* block = static_cast<uint8_t*>(row);
  for (int64_t at = 0; at < n; at += kValues, block += kBytes)
    encode_block(values + at, importance ? importance + at : nullptr, block);
}

}  // namespace galago
