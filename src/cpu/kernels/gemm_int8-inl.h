// Products of integer panels with quantized activations (layouts: calls.h). For each block of 32 values of k:
//   y[t, row] += act_scale[t] * (w_scale[row] * dot(codes[row], q[t]) - w_min[row] * sum(q[t]))
// where the dot product starts at -offset * sum(q[t]), so that unsigned codes stand for signed weights at no cost.
// kRows rows of x share the unpacked codes of a block; their float sums stay in registers.
#pragma once

namespace galago::cpu::GALAGO_ISA {
namespace {

#if defined(GALAGO_ISA_AVX512)
constexpr int kInt8Rows = 16;
#else
constexpr int kInt8Rows = 4;
#endif

GALAGO_INLINE void unpack_nibbles(const uint8_t* p, Bytes64* codes) {
  GALAGO_UNROLL for (int j = 0; j < 4; ++j) {
    Bytes64 both = bytes_load(p + 64 * j);
    codes[j] = low_nibbles(both);
    codes[j + 4] = high_nibbles(both);
  }
}

// A format gives block b of a panel: its codes, and how a row's sums follow from them.
struct Byte128Panel {
  static constexpr Codes kCodes = Codes::Byte;
  V16 scale;
  GALAGO_INLINE Byte128Panel(const uint8_t* panel, int64_t b, Bytes64* codes) {
    const uint8_t* block = panel + b * 544;
    scale = v16_load_f16(reinterpret_cast<const uint16_t*>(block));
    GALAGO_UNROLL for (int j = 0; j < 8; ++j) codes[j] = bytes_load(block + 32 + 64 * j);
  }
  GALAGO_INLINE V16 add(V16 sum, const Bytes64* codes, const int8_t* q, const ActBlock& x) const {
    I16 dot = dot_block<kCodes>(-kByteOffset * x.sum, codes, q);
    return v16_fma(v16_mul(i16_to_float(dot), v16_set(x.scale)), scale, sum);
  }
};

// kIq4Values of tensor/formats/iq4.h, + 128.
alignas(16) constexpr uint8_t kIq4PlusOffset[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                                    129, 141, 153, 166, 181, 197, 217, 241};

struct Nibble8Panel {
  static constexpr Codes kCodes = Codes::Nibble;
  V16 scale;
  GALAGO_INLINE Nibble8Panel(const uint8_t* panel, int64_t b, Bytes64* codes) {
    const uint8_t* block = panel + b * 288;
    scale = v16_load_f16(reinterpret_cast<const uint16_t*>(block));
    unpack_nibbles(block + 32, codes);
  }
  GALAGO_INLINE V16 add(V16 sum, const Bytes64* codes, const int8_t* q, const ActBlock& x) const {
    I16 dot = dot_block<kCodes>(-8 * x.sum, codes, q);
    return v16_fma(v16_mul(i16_to_float(dot), v16_set(x.scale)), scale, sum);
  }
};

struct Nibble256Panel {
  static constexpr Codes kCodes = Codes::Nibble;
  V16 scale, minimum;
  GALAGO_INLINE Nibble256Panel(const uint8_t* panel, int64_t b, Bytes64* codes) {
    const uint8_t* group = panel + b / 8 * 2368;
    const uint8_t* block = group + 64 + b % 8 * 288;
    const uint16_t* halves = reinterpret_cast<const uint16_t*>(group);
    scale = v16_mul(v16_load_f16(halves), v16_load_u8(block));
    minimum = v16_mul(v16_load_f16(halves + 16), v16_load_u8(block + 16));
    unpack_nibbles(block + 32, codes);
  }
  GALAGO_INLINE V16 add(V16 sum, const Bytes64* codes, const int8_t* q, const ActBlock& x) const {
    I16 dot = dot_block<kCodes>(0, codes, q);
    sum = v16_fma(v16_mul(i16_to_float(dot), v16_set(x.scale)), scale, sum);
    return v16_fma(v16_set(-(x.low_sum + x.high_sum)), minimum, sum);
  }
};

struct Byte6Panel {
  static constexpr Codes kCodes = Codes::Bits6;
  V16 scale[2], minimum[2];
  GALAGO_INLINE Byte6Panel(const uint8_t* panel, int64_t b, Bytes64* codes) {
    const float* block = reinterpret_cast<const float*>(panel + b * 768);
    for (int half = 0; half < 2; ++half) {
      scale[half] = v16_load(block + 16 * half);
      minimum[half] = v16_load(block + 32 + 16 * half);
    }
    GALAGO_UNROLL for (int j = 0; j < 8; ++j) codes[j] =
        bytes_load(reinterpret_cast<const uint8_t*>(block + 64) + 64 * j);
  }
  GALAGO_INLINE V16 add(V16 sum, const Bytes64* codes, const int8_t* q, const ActBlock& x) const {
    I16 low = dot_block<kCodes, 0, 4>(0, codes, q), high = dot_block<kCodes, 4, 8>(0, codes, q);
    V16 weighted = v16_fma(i16_to_float(low), scale[0], v16_mul(i16_to_float(high), scale[1]));
    sum = v16_fma(weighted, v16_set(x.scale), sum);
    sum = v16_fma(v16_set(-x.low_sum), minimum[0], sum);
    return v16_fma(v16_set(-x.high_sum), minimum[1], sum);
  }
};

// Nibbles become their values + 128, and from there on the block is one of Byte128.
struct NibbleIq4Panel {
  static constexpr Codes kCodes = Codes::Byte;
  V16 scale;
  GALAGO_INLINE NibbleIq4Panel(const uint8_t* panel, int64_t b, Bytes64* codes) {
    const uint8_t* block = panel + b * 320;
    scale = v16_load(reinterpret_cast<const float*>(block));
    unpack_nibbles(block + 64, codes);
    GALAGO_UNROLL for (int j = 0; j < 8; ++j) codes[j] = look_up(kIq4PlusOffset, codes[j]);
  }
  GALAGO_INLINE V16 add(V16 sum, const Bytes64* codes, const int8_t* q, const ActBlock& x) const {
    I16 dot = dot_block<kCodes>(-kByteOffset * x.sum, codes, q);
    return v16_fma(v16_mul(i16_to_float(dot), v16_set(x.scale)), scale, sum);
  }
};

struct ActTile {  // rows of one tile, from some row of it on
  const int8_t* q;
  const ActBlock* blocks;
  int64_t width;
};

template <class Panel, int kRows>
inline void int8_tile(const Int8GemmCall& c, const uint8_t* panel, const ActTile& x, int64_t row, int64_t column) {
  V16 sums[kRows];
  GALAGO_UNROLL for (int r = 0; r < kRows; ++r) sums[r] = v16_set(0);
  const int64_t n_blocks = c.k / kBlockValues;
  for (int64_t b = 0; b < n_blocks; ++b) {
    Bytes64 codes[8];
    const Panel block(panel, b, codes);
    const int8_t* q = x.q + b * x.width * kBlockValues;
    const ActBlock* blocks = x.blocks + b * x.width;
    GALAGO_UNROLL for (int r = 0; r < kRows; ++r) sums[r] = block.add(sums[r], codes, q + r * kBlockValues, blocks[r]);
  }
  const int64_t n = c.n - column < kPanelRows ? c.n - column : kPanelRows;
  const V16 bias = c.bias ? v16_load_n(c.bias + column, n) : v16_set(0);
  GALAGO_UNROLL for (int r = 0; r < kRows; ++r)
      v16_store_n(c.y + (row + r) * c.y_stride + column, v16_add(sums[r], bias), n);
}

// As many tiles of kRows rows as there are, then the rest with half as many.
template <class Panel, int kRows>
void int8_rows(const Int8GemmCall& c, const uint8_t* panel, int64_t row, int64_t end, int64_t column) {
  const int64_t n_blocks = c.k / kBlockValues;
  for (; row + kRows <= end; row += kRows) {
    const int64_t first = row / kActTile * kActTile;
    const int64_t width = c.rows - first < kActTile ? c.rows - first : kActTile;
    const ActTile x{c.q + first * c.k + (row - first) * kBlockValues, c.blocks + first * n_blocks + (row - first),
                    width};
    int8_tile<Panel, kRows>(c, panel, x, row, column);
  }
  if constexpr (kRows > 1) int8_rows<Panel, kRows / 2>(c, panel, row, end, column);
}

template <class Panel>
void int8_panels(const Int8GemmCall& c) {
  for (int64_t column = 0; column < c.n; column += kPanelRows)
    int8_rows<Panel, kInt8Rows>(c, c.panels + column / kPanelRows * c.panel_bytes, 0, c.rows, column);
}

void k_gemm_int8(const Int8GemmCall& c) {
  switch (c.kind) {
    case PanelKind::Byte128:
      return int8_panels<Byte128Panel>(c);
    case PanelKind::Nibble8:
      return int8_panels<Nibble8Panel>(c);
    case PanelKind::Nibble256:
      return int8_panels<Nibble256Panel>(c);
    case PanelKind::Byte6:
      return int8_panels<Byte6Panel>(c);
    case PanelKind::NibbleIq4:
      return int8_panels<NibbleIq4Panel>(c);
    default:
      __builtin_trap();
  }
}

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
