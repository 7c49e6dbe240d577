#include "cpu/ops/panels.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "tensor/formats/block256.h"
#include "tensor/formats/block32.h"
#include "tensor/formats/iq4.h"

namespace galago::cpu {
namespace {

constexpr int64_t kRows = kPanelRows;

// Each put_ function puts one row of a format in its place (row r of 16) of a zeroed panel.

template <class T>
void put_values(const T* row, int64_t k, int r, std::byte* panel) {
  T* out = reinterpret_cast<T*>(panel) + r;
  for (int64_t i = 0; i < k; ++i) out[i * kRows] = row[i];
}

void put_u16(std::byte* out, int r, const uint8_t* bytes) { std::memcpy(out + 2 * r, bytes, 2); }

// codes[i] is the code of value i of a block of 32, as bytes.
template <class Code>
void put_bytes(uint8_t* vectors, int r, Code code) {
  for (int i = 0; i < kBlockValues; ++i) vectors[64 * (i / 4) + 4 * r + i % 4] = static_cast<uint8_t>(code(i));
}

template <class Code>
void put_nibbles(uint8_t* vectors, int r, Code code) {
  for (int i = 0; i < kBlockValues / 2; ++i)
    vectors[64 * (i / 4) + 4 * r + i % 4] = static_cast<uint8_t>(code(i) | code(i + 16) << 4);
}

void put_q8_0(const uint8_t* row, int64_t k, int r, std::byte* panel) {
  for (int64_t b = 0; b < k / 32; ++b, row += 34, panel += 544) {
    put_u16(panel, r, row);
    put_bytes(reinterpret_cast<uint8_t*>(panel) + 32, r, [&](int i) { return row[2 + i] ^ 0x80; });
  }
}

void put_q4_0(const uint8_t* row, int64_t k, int r, std::byte* panel) {
  for (int64_t b = 0; b < k / 32; ++b, row += 18, panel += 288) {
    put_u16(panel, r, row);
    put_nibbles(reinterpret_cast<uint8_t*>(panel) + 32, r, [&](int i) { return Block32<4, false>::code(row, 0, i); });
  }
}

// Bits above the fourth of the codes of a block: `bits` of them a code, one vector of 64 bytes for each 8 / bits codes.
template <class Code>
void put_upper_bits(uint8_t* vectors, int r, int bits, Code code) {
  const int per_vector = 8 / bits;  // vectors of codes that share one of bits
  for (int i = 0; i < kBlockValues; ++i) {
    const int j = i / 4;
    uint8_t& byte = vectors[64 * (j / per_vector) + 4 * r + i % 4];
    byte = static_cast<uint8_t>(byte | (code(i) >> 4) << bits * (j % per_vector));
  }
}

// Q4_K and Q5_K.
template <int kBits>
void put_k(const uint8_t* row, int64_t k, int r, std::byte* panel) {
  using Block = Block256<kBits>;
  constexpr int kBlockBytes = kBits == 5 ? 352 : 288;
  for (int64_t g = 0; g < k / 256; ++g, row += Block::kBytes, panel += 64 + 8 * kBlockBytes) {
    put_u16(panel, r, row);
    put_u16(panel + 32, r, row + 2);
    for (int j = 0; j < Block::kSubs; ++j) {
      uint8_t* block = reinterpret_cast<uint8_t*>(panel) + 64 + kBlockBytes * j;
      auto [scale, minimum] = Block::get_scale(row + Block::kScalesAt, j);
      block[r] = static_cast<uint8_t>(scale);
      block[16 + r] = static_cast<uint8_t>(minimum);
      auto code = [&](int i) { return Block::code(row, j, i); };
      put_nibbles(block + 32, r, [&](int i) { return code(i) & 15; });
      if (kBits == 5) put_upper_bits(block + 288, r, 1, code);
    }
  }
}

void put_q6_k(const uint8_t* row, int64_t k, int r, std::byte* panel) {
  constexpr int kGroupBytes = 210, kScalesAt = 192, kDAt = 208, kBlockBytes = 416;  // layout: tensor/formats/q6_k.cc
  for (int64_t g = 0; g < k / 256; ++g, row += kGroupBytes, panel += 32 + 8 * kBlockBytes) {
    put_u16(panel, r, row + kDAt);
    for (int j = 0; j < 8; ++j) {
      uint8_t* block = reinterpret_cast<uint8_t*>(panel) + 32 + kBlockBytes * j;
      for (int half = 0; half < 2; ++half) block[16 * half + r] = row[kScalesAt + 2 * j + half];
      Unpacked u;
      info(DType::Q6_K).unpack(row, j, u);
      auto code = [&](int i) { return u.code[i] + 32; };
      put_nibbles(block + 32, r, [&](int i) { return code(i) & 15; });
      put_upper_bits(block + 288, r, 2, code);
    }
  }
}

// w = scale q - minimum for each half of a block of 32. The smallest code of a half becomes 0.
void put_byte6(const Unpacked& u, int r, std::byte* block) {
  float* floats = reinterpret_cast<float*>(block);
  int lowest[2] = {};
  for (int i = 0; i < kBlockValues; ++i) lowest[i / 16] = std::min<int>(lowest[i / 16], u.code[i]);
  for (int half = 0; half < 2; ++half) {
    floats[16 * half + r] = u.scale[half];
    floats[32 + 16 * half + r] = u.minimum[half] - u.scale[half] * static_cast<float>(lowest[half]);
  }
  put_bytes(reinterpret_cast<uint8_t*>(floats + 64), r, [&](int i) { return u.code[i] - lowest[i / 16]; });
}

void put_iq4(const Unpacked& u, int r, std::byte* block) {
  reinterpret_cast<float*>(block)[r] = u.scale[0];
  put_nibbles(reinterpret_cast<uint8_t*>(block) + 64, r,
              [&](int i) { return std::ranges::lower_bound(kIq4Values, u.code[i]) - kIq4Values; });
}

void put_unpacked(DType dtype, const uint8_t* row, int64_t k, int r, std::byte* panel) {
  const PanelKind kind = panel_kind(dtype);
  for (int64_t b = 0; b < k / kBlockValues; ++b, panel += panel_bytes(kind, kBlockValues)) {
    Unpacked u;
    info(dtype).unpack(row, b, u);
    kind == PanelKind::NibbleIq4 ? put_iq4(u, r, panel) : put_byte6(u, r, panel);
  }
}

void put_row(DType dtype, const std::byte* row, int64_t k, int r, std::byte* panel) {
  const uint8_t* bytes = reinterpret_cast<const uint8_t*>(row);
  switch (dtype) {
    case DType::F32:
      return put_values(reinterpret_cast<const float*>(row), k, r, panel);
    case DType::F16:
    case DType::BF16:
      return put_values(reinterpret_cast<const uint16_t*>(row), k, r, panel);
    case DType::Q8_0:
      return put_q8_0(bytes, k, r, panel);
    case DType::Q4_0:
      return put_q4_0(bytes, k, r, panel);
    case DType::Q4_K:
      return put_k<4>(bytes, k, r, panel);
    case DType::Q5_K:
      return put_k<5>(bytes, k, r, panel);
    case DType::Q6_K:
      return put_q6_k(bytes, k, r, panel);
    default:
      break;
  }
  if (info(dtype).unpack) return put_unpacked(dtype, bytes, k, r, panel);
  std::vector<float> values(k);
  info(dtype).decode(row, values.data(), k);
  put_values(values.data(), k, r, panel);
}

}  // namespace

PanelKind panel_kind(DType dtype) {
  switch (dtype) {
    case DType::F16:
      return PanelKind::F16;
    case DType::BF16:
      return PanelKind::BF16;
    case DType::Q8_0:
      return PanelKind::Byte128;
    case DType::Q4_0:
      return PanelKind::Nibble8;
    case DType::Q4_K:
      return PanelKind::Nibble256;
    case DType::Q5_K:
      return PanelKind::Five256;
    case DType::Q6_K:
      return PanelKind::Six256;
    case DType::IQ4_NL:
    case DType::IQ4_XS:
      return PanelKind::NibbleIq4;
    default:
      break;
  }
  if (info(dtype).quantized()) return PanelKind::Byte6;
  if (!info(dtype).decode)
    throw unsupported("weights of format {}: expected a format of real numbers", info(dtype).name);
  return PanelKind::F32;
}

int64_t panel_bytes(PanelKind kind, int64_t k) {
  switch (kind) {
    case PanelKind::F32:
      return k * kRows * 4;
    case PanelKind::F16:
    case PanelKind::BF16:
      return k * kRows * 2;
#define PANEL(name, group_values, group_bytes, expanded_factors) \
  case PanelKind::name:                                          \
    return k / (group_values) * (group_bytes);
#include "cpu/kernels/panels.def"
#undef PANEL
  }
  return 0;
}

int64_t expanded_panel_bytes(PanelKind kind, int64_t k) {
  switch (kind) {
#define PANEL(name, group_values, group_bytes, expanded_factors) \
  case PanelKind::name:                                          \
    return k / kBlockValues * kRows * (4 * (expanded_factors) + kBlockValues);
#include "cpu/kernels/panels.def"
#undef PANEL
    default:
      return 0;
  }
}

int64_t packed_bytes(DType dtype, const Shape& shape) {
  const int64_t matrices = shape.rank() == 3 ? shape[0] : 1;
  return matrices * n_panels(shape[-2]) * panel_bytes(panel_kind(dtype), shape[-1]);
}

Tensor packed_weight(const Weight& weight) {
  if (!weight.packed.bytes()) return pack_weight(weight.data);
  const int64_t expected = packed_bytes(weight.data.dtype(), weight.data.shape());
  if (weight.packed.elements() != expected)
    throw invalid_input("{}: packed in {} bytes, expected {} for {} {}. Convert the model again.", weight.name,
                        weight.packed.elements(), expected, info(weight.data.dtype()).name,
                        weight.data.shape().to_string());
  return weight.packed;
}

Tensor pack_weight(const Tensor& weight) {
  const Shape& shape = weight.shape();
  const int64_t n = shape[-2], k = shape[-1], matrices = shape.rank() == 3 ? shape[0] : 1;
  const int64_t bytes = panel_bytes(panel_kind(weight.dtype()), k);
  if (weight.elements() == 0) return {};
  Tensor packed = Tensor::make(DType::U8, Shape{packed_bytes(weight.dtype(), shape)});
  for (int64_t row = 0; row < matrices * n; ++row) {
    const int64_t panel = row / n * n_panels(n) + row % n / kRows;
    put_row(weight.dtype(), weight.bytes() + row * weight.row_bytes(), k, static_cast<int>(row % n % kRows),
            packed.bytes() + panel * bytes);
  }
  return packed;
}

Panels packed_matrix(const Tensor& packed, DType dtype, int64_t n, int64_t k, int64_t index) {
  Panels w{.kind = panel_kind(dtype), .n = n, .k = k};
  w.panel_bytes = panel_bytes(w.kind, k);
  w.data = packed.bytes() + index * n_panels(n) * w.panel_bytes;
  return w;
}

void pack_floats(const float* matrix, int64_t row_stride, int64_t k_stride, int64_t rows, int64_t k, float* panels) {
  for (int64_t first = 0; first < rows; first += kRows, panels += kRows * k) {
    const int64_t n = std::min(rows - first, kRows);
    const float* from = matrix + first * row_stride;
    if (n < kRows) std::fill_n(panels, kRows * k, 0.0f);
    if (row_stride == 1) {
      for (int64_t i = 0; i < k; ++i) std::copy_n(from + i * k_stride, n, panels + i * kRows);
    } else {
      for (int64_t r = 0; r < n; ++r)
        for (int64_t i = 0; i < k; ++i) panels[i * kRows + r] = from[r * row_stride + i * k_stride];
    }
  }
}

}  // namespace galago::cpu
