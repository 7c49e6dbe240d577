// What the integer layouts of calls.h mean, one struct each: for the rows of a unit and a block of 32 values of k
//   w = scale (code - offset) + bias
// with one scale (and bias, if the format has any) for the block or for each half of it.
#pragma once

namespace galago::cpu::GALAGO_ISA {
namespace {

template <Codes codes, int halves, bool has_bias, int offset>
struct FormatTraits {
  static constexpr Codes kCodes = codes;
  static constexpr int kHalves = halves;
  static constexpr bool kBias = has_bias;
  static constexpr int kOffset = offset;  // 0 or a power of two from 8 on
};

template <class F>
struct Factors {
  VU scale[F::kHalves];
  VU bias[F::kHalves];  // read only if F::kBias
};
template <class F>
struct UnitBlock : Factors<F> {
  BytesU codes[8];
};

GALAGO_INLINE const uint16_t* halves_at(const uint8_t* p) { return reinterpret_cast<const uint16_t*>(p); }
GALAGO_INLINE const float* floats_at(const uint8_t* p) { return reinterpret_cast<const float*>(p); }
GALAGO_INLINE VU negated(const VU& a) { return vec_mul(a, vec_set<kUnitRows>(-1)); }

GALAGO_INLINE BytesU load_codes(const uint8_t* vectors, int unit, int j) {
  return bytes_load(vectors + 64 * j + unit * kUnitBytes);
}

GALAGO_INLINE void load_nibbles(const uint8_t* vectors, int unit, BytesU* codes) {
  GALAGO_UNROLL for (int j = 0; j < 4; ++j) {
    BytesU both = load_codes(vectors, unit, j);
    codes[j] = low_nibbles(both);
    codes[j + 4] = high_nibbles(both);
  }
}

struct Byte128 : FormatTraits<Codes::Byte, 1, false, 128> {
  static constexpr int64_t kBlockBytes = 544;
  static GALAGO_INLINE void load(const uint8_t* panel, int64_t b, int unit, UnitBlock<Byte128>& u) {
    const uint8_t* block = panel + b * kBlockBytes;
    u.scale[0] = vec_load_f16<kUnitRows>(halves_at(block) + unit * kUnitRows);
    GALAGO_UNROLL for (int j = 0; j < 8; ++j) u.codes[j] = dot_ready(load_codes(block + 32, unit, j));
  }
};

struct Nibble8 : FormatTraits<Codes::Nibble, 1, false, 8> {
  static constexpr int64_t kBlockBytes = 288;
  static GALAGO_INLINE void load(const uint8_t* panel, int64_t b, int unit, UnitBlock<Nibble8>& u) {
    const uint8_t* block = panel + b * kBlockBytes;
    u.scale[0] = vec_load_f16<kUnitRows>(halves_at(block) + unit * kUnitRows);
    load_nibbles(block + 32, unit, u.codes);
  }
};

// Eight blocks of 32 behind f16 d[16], dmin[16]; each with u8 scale[16], min[16] before its codes: w = d scale q - dmin
// min.
template <class F>
GALAGO_INLINE const uint8_t* load_scaled_minimum(const uint8_t* panel, int64_t b, int unit, UnitBlock<F>& u) {
  constexpr int64_t kGroupBytes = 64 + 8 * F::kBlockBytes;
  const uint8_t* group = panel + b / 8 * kGroupBytes;
  const uint8_t* block = group + 64 + b % 8 * F::kBlockBytes;
  const uint16_t* d = halves_at(group) + unit * kUnitRows;
  u.scale[0] = vec_mul(vec_load_f16<kUnitRows>(d), vec_load_u8<kUnitRows>(block + unit * kUnitRows));
  u.bias[0] = negated(vec_mul(vec_load_f16<kUnitRows>(d + kPanelRows), vec_load_u8<kUnitRows>(block + 16 + unit * kUnitRows)));
  return block + 32;
}

struct Nibble256 : FormatTraits<Codes::Nibble, 1, true, 0> {
  static constexpr int64_t kBlockBytes = 288;
  static GALAGO_INLINE void load(const uint8_t* panel, int64_t b, int unit, UnitBlock<Nibble256>& u) {
    load_nibbles(load_scaled_minimum(panel, b, unit, u), unit, u.codes);
  }
};

// Nibbles, then one vector of fifth bits: bit j of its bytes belongs to vector j.
struct Five256 : FormatTraits<Codes::Bits5, 1, true, 0> {
  static constexpr int64_t kBlockBytes = 352;
  static GALAGO_INLINE void load(const uint8_t* panel, int64_t b, int unit, UnitBlock<Five256>& u) {
    const uint8_t* vectors = load_scaled_minimum(panel, b, unit, u);
    load_nibbles(vectors, unit, u.codes);
    const BytesU high = bytes_load(vectors + 256 + unit * kUnitBytes), fifth = bytes_set(16);
    u.codes[0] = u.codes[0] | (words_shift_left<4>(high) & fifth);
    u.codes[1] = u.codes[1] | (words_shift_left<3>(high) & fifth);
    u.codes[2] = u.codes[2] | (words_shift_left<2>(high) & fifth);
    u.codes[3] = u.codes[3] | (words_shift_left<1>(high) & fifth);
    u.codes[4] = u.codes[4] | (high & fifth);
    u.codes[5] = u.codes[5] | (words_shift_right<1>(high) & fifth);
    u.codes[6] = u.codes[6] | (words_shift_right<2>(high) & fifth);
    u.codes[7] = u.codes[7] | (words_shift_right<3>(high) & fifth);
  }
};

// Eight blocks of 32 behind f16 d[16]; each with i8 scale[2][16], nibbles, and two vectors of upper bits: bits 2 j and
// 2 j + 1 of the first belong to vector j, of the second to vector 4 + j.
struct Six256 : FormatTraits<Codes::Bits6, 2, false, 32> {
  static constexpr int64_t kBlockBytes = 416, kGroupBytes = 32 + 8 * kBlockBytes;
  static GALAGO_INLINE void load(const uint8_t* panel, int64_t b, int unit, UnitBlock<Six256>& u) {
    const uint8_t* group = panel + b / 8 * kGroupBytes;
    const uint8_t* block = group + 32 + b % 8 * kBlockBytes;
    const VU d = vec_load_f16<kUnitRows>(halves_at(group) + unit * kUnitRows);
    GALAGO_UNROLL for (int half = 0; half < 2; ++half) u.scale[half] =
        vec_mul(d, vec_load_i8<kUnitRows>(block + 16 * half + unit * kUnitRows));
    load_nibbles(block + 32, unit, u.codes);
    const BytesU upper = bytes_set(0x30);
    GALAGO_UNROLL for (int half = 0; half < 2; ++half) {
      const BytesU high = bytes_load(block + 288 + 64 * half + unit * kUnitBytes);
      BytesU* codes = u.codes + 4 * half;
      codes[0] = codes[0] | (words_shift_left<4>(high) & upper);
      codes[1] = codes[1] | (words_shift_left<2>(high) & upper);
      codes[2] = codes[2] | (high & upper);
      codes[3] = codes[3] | (words_shift_right<2>(high) & upper);
    }
  }
};

struct Byte6 : FormatTraits<Codes::Bits6, 2, true, 0> {
  static constexpr int64_t kBlockBytes = 768;
  static GALAGO_INLINE void load(const uint8_t* panel, int64_t b, int unit, UnitBlock<Byte6>& u) {
    const uint8_t* block = panel + b * kBlockBytes;
    GALAGO_UNROLL for (int half = 0; half < 2; ++half) {
      const float* scale = floats_at(block) + 16 * half + unit * kUnitRows;
      u.scale[half] = vec_load<kUnitRows>(scale);
      u.bias[half] = negated(vec_load<kUnitRows>(scale + 32));
    }
    GALAGO_UNROLL for (int j = 0; j < 8; ++j) u.codes[j] = load_codes(block + 256, unit, j);
  }
};

// kIq4Values of tensor/formats/iq4.h, + 128.
alignas(16) constexpr uint8_t kIq4PlusOffset[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                                    129, 141, 153, 166, 181, 197, 217, 241};

struct NibbleIq4 : FormatTraits<Codes::Byte, 1, false, 128> {
  static constexpr int64_t kBlockBytes = 320;
  static GALAGO_INLINE void load(const uint8_t* panel, int64_t b, int unit, UnitBlock<NibbleIq4>& u) {
    const uint8_t* block = panel + b * kBlockBytes;
    u.scale[0] = vec_load<kUnitRows>(floats_at(block) + unit * kUnitRows);
    load_nibbles(block + 64, unit, u.codes);
    GALAGO_UNROLL for (int j = 0; j < 8; ++j) u.codes[j] = dot_ready(look_up(kIq4PlusOffset, u.codes[j]));
  }
};

// A panel unpacked into what `load` gives, for products with many rows: units one after the other, each k / 32 times
// f32 scale[halves][rows]; [f32 bias[halves][rows]]; 8 vectors of codes.
template <class F>
struct Expanded {
  static constexpr int64_t kFactors = F::kHalves * (F::kBias ? 2 : 1);
  static constexpr int64_t kCodesAt = 4 * kUnitRows * kFactors;
  static constexpr int64_t kBlockBytes = kCodesAt + 8 * kUnitBytes;

  static GALAGO_INLINE Factors<F> factors(const uint8_t* block) {
    Factors<F> f;
    GALAGO_UNROLL for (int half = 0; half < F::kHalves; ++half) {
      f.scale[half] = vec_load<kUnitRows>(floats_at(block) + half * kUnitRows);
      if constexpr (F::kBias) f.bias[half] = vec_load<kUnitRows>(floats_at(block) + (F::kHalves + half) * kUnitRows);
    }
    return f;
  }

  static GALAGO_INLINE void store(uint8_t* unit_blocks, int64_t b, const UnitBlock<F>& u) {
    uint8_t* block = unit_blocks + b * kBlockBytes;
    float* factors = reinterpret_cast<float*>(block);
    GALAGO_UNROLL for (int half = 0; half < F::kHalves; ++half) {
      vec_store(factors + half * kUnitRows, u.scale[half]);
      if constexpr (F::kBias) vec_store(factors + (F::kHalves + half) * kUnitRows, u.bias[half]);
    }
    GALAGO_UNROLL for (int j = 0; j < 8; ++j)
        bytes_store(block + kCodesAt + j * kUnitBytes, u.codes[j]);
  }
};

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
