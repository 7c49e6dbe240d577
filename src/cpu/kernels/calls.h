// Arguments of the larger kernels, and the packed layouts they read. All sizes in elements unless they say bytes.
//
// Panels. A matrix w [n, k] is stored as ceil(n / 16) panels of 16 rows; rows past n are zero. Inside a panel k runs
// slowest, so that one step of k is 16 values side by side: a vector on AVX-512, two on AVX2, four on NEON.
//   F32, F16, BF16   k steps of 16 values                                          (64 or 32 bytes a step)
//   BF16Pairs        k / 2 steps of 16 pairs: values 2 i and 2 i + 1 of k            (64 bytes a step; never in a file)
// The integer layouts take 32 values of k together, a block. Byte 4 r + x of 64-byte vector j is row r, k = 4 j + x; a
// vector of nibbles has k = 4 j + x in the low and k = 16 + 4 j + x in the high halves. This order is what vpdpbusd,
// vpmaddubsw and sdot want, and it is the same for all of them.
//   Byte128   Q8_0: f16 d[16]; 8 vectors of q + 128                                (544 bytes a block)
//   Nibble8   Q4_0: f16 d[16]; 4 vectors of nibbles, q + 8                         (288 bytes a block)
//   Nibble256 Q4_K: f16 d[16]; f16 dmin[16]; then 8 blocks of                      (2368 bytes, 256 values of k)
//             u8 scale[16]; u8 min[16]; 4 vectors of nibbles:  w = d scale q - dmin min
//   Five256   Q5_K: as Nibble256, and behind the nibbles of a block 1 vector of fifth bits; bit j of its bytes is that
//   of
//             vector j                                                           (2880 bytes, 256 values of k)
//   Six256    Q6_K: f16 d[16]; then 8 blocks of i8 scale[2][16]; 4 vectors of nibbles; 2 vectors of upper bits, of
//   which
//             bits 2 i, 2 i + 1 are those of vectors i and 4 + i:  w = d scale[half] (q - 32)  (3360 bytes, 256 values)
//   Byte6     every other block format: f32 scale[2][16]; f32 min[2][16]; 8 vectors of q, at most 6 bits:
//             w = scale q - min, one scale and minimum for each half of the block  (768 bytes a block)
//   NibbleIq4 IQ4_NL, IQ4_XS: f32 scale[16]; 4 vectors of nibbles, indices into kIq4Values: w = scale value
//                                                                                  (320 bytes a block)
#pragma once

#include <cstdint>

namespace galago::cpu {

constexpr int kPanelRows = 16;    // rows of w in a panel
constexpr int kActTile = 16;      // rows of quantized activations stored together
constexpr int kBlockValues = 32;  // values of k in a block of integers

enum class PanelKind : uint8_t {
  F32,
  F16,
  BF16Pairs,
  BF16,
#define PANEL(name, group_values, group_bytes, expanded_factors) name,
#include "cpu/kernels/panels.def"
#undef PANEL
};

// y[t, j] = sum_k x[t, k] w[j, k] + bias[j], or added to what y holds.
// Step k of panel p begins at panels + p * panel_stride + k * step_stride: k * 16 and 16 for packed weights.
// BF16Pairs: all of x and of the panels are pairs of bf16 in the place of a float, and k counts pairs.
struct GemmCall {
  const float* x;
  int64_t x_stride, x_step;  // from row to row, from k to k
  int64_t rows;
  int64_t k;
  PanelKind kind = PanelKind::F32;  // no integers
  const void* panels;               // the first is that of column 0
  int64_t panel_stride, step_stride = kPanelRows;
  int64_t n;  // columns of y
  float* y;
  int64_t y_stride;
  const float* bias = nullptr;  // [n]
  bool accumulate = false;
};

// One block of 32 activations x: x ~ scale q.
struct ActBlock {
  float scale;
  int32_t sum_x8, low_sum_x8;  // 8 times the sum of the 32 q, and of the first 16: what the offset 8 of Q4_0 needs
  float scaled_sum;            // scale * sum
};

// Quantized rows come in tiles of 16. Tile i holds rows 16 i .. 16 i + width - 1 (width 16, less in the last tile) as
// q [k / 32][width][32] at 16 i k, and their ActBlocks [k / 32][width] at 16 i k / 32.
struct QuantizeCall {
  const float* x;
  int64_t x_stride;
  int64_t rows;  // from the first row of a tile
  int64_t k;     // a multiple of 32
  int8_t* q;
  ActBlock* blocks;
};

// Panels made ready for products with many rows: units of rows one after the other, their codes a byte each, their
// scales in f32 (panel_formats-inl.h). What a kernel level expands only the same level reads.
struct ExpandCall {
  PanelKind kind;
  const uint8_t* panels;
  int64_t panel_bytes;
  int64_t n_panels;
  int64_t k;
  uint8_t* expanded;  // n_panels * expanded_panel_bytes(kind, k) bytes, 64-byte aligned
};

// y[t, j] = sum_k x[t, k] w[j, k] + bias[j], x as QuantizeCall leaves it.
struct Int8GemmCall {
  const int8_t* q;
  const ActBlock* blocks;
  int64_t rows;
  int64_t k;
  PanelKind kind;
  const uint8_t* panels;  // packed, or what ExpandCall made of them
  int64_t panel_bytes;    // of a packed one
  int64_t n;
  float* y;
  int64_t y_stride;
  const float* bias;
  bool expanded;
};

// The same product at a coarser rounding, where a level has it (gemm_wide-inl.h): 64 columns, values begin .. end - 1
// of k, begin a multiple of kWideSpan; y is added to where begin > 0.
constexpr int kWideColumns = 64;
constexpr int64_t kWideSpan = 256;  // values of k that share a scale

struct WideExpandCall {
  PanelKind kind;
  const uint8_t* panels;
  int64_t panel_bytes, n_panels;  // at most four
  int64_t begin, end;
  uint8_t* expanded;  // wide_expanded_bytes(end - begin)
};
constexpr int64_t wide_expanded_bytes(int64_t values) {
  return ((values + kWideSpan - 1) / kWideSpan * 8 + values) * kWideColumns;
}

struct WideQuantizeCall {
  const float* x;
  int64_t x_stride, rows, k;
  uint8_t* u;     // [rows, k]
  float* scales;  // [rows, spans]
};

struct WideGemmCall {
  const uint8_t* u;     // of all k
  const float* scales;  // of all spans
  int64_t rows, k, begin, end;
  const uint8_t* expanded;
  int64_t n;  // columns of y, at most 64
  float* y;
  int64_t y_stride;
  const float* bias;
};

enum class CacheFormat { F32, F16, Q8_0 };
constexpr int64_t kKeyTile = 64;  // keys that attention takes at once

// Keys begin .. end - 1 of one key/value head as pairs of bf16 (attention-inl.h), begin a multiple of kKeyTile.
struct PairKeysCall {
  const void *k, *v;  // as in AttentionCall
  int64_t k_stride, v_stride;
  CacheFormat k_format, v_format;
  int64_t begin, end, d, dv;  // d is even
  float *k_pairs, *v_pairs;   // k_pairs_floats, v_pairs_floats of all keys of the head
  float* scratch;             // kKeyTile * (d + dv) floats
};
constexpr int64_t k_pairs_floats(int64_t keys, int64_t d) { return keys * d / 2; }          // [keys][d / 2]
constexpr int64_t v_pairs_floats(int64_t keys, int64_t dv) { return (keys + 1) / 2 * dv; }  // [keys / 2][dv]

// Attention of `queries` x `heads` rows that share one key/value head; see attention-inl.h.
struct AttentionCall {
  const float* q;  // row (query i, head h) begins at i * q_stride + h * d
  int64_t q_stride;
  const void *k, *v;           // key s begins s * k_stride values behind k
  int64_t k_stride, v_stride;  // Q8_0: whole blocks, and so are d and dv
  CacheFormat k_format, v_format;
  int64_t queries, heads, d, dv;
  // Query i sees keys first + i first_slope .. last + i last_slope, and none below 0.
  int64_t first, last, first_slope, last_slope;
  const float* mask;  // mask[i * mask_stride + s] is added to the scores; or null
  int64_t mask_stride;
  float scale;
  bool paired;  // k and v are what pair_keys made of all keys; strides and formats say nothing
  float* y;     // row (query i, head h) begins at i * y_stride + h * dv
  int64_t y_stride;
  float* scratch;  // attention_scratch(queries * heads, d, dv) floats
};
constexpr int64_t attention_scratch(int64_t rows, int64_t d, int64_t dv) {
  return (rows + kPanelRows) * (d + dv + kKeyTile + 4) + kKeyTile * (d + dv);
}

// Attention of a few queries with keys begin .. end - 1, for `groups` key/value heads with `heads` query heads each;
// see attention_stream-inl.h. d and dv are multiples of 32.
struct StreamCall {
  const float* q;  // row (query t, head h of all groups) begins at t * q_stride + h * d
  int64_t q_stride;
  const void *k, *v;           // key s of group g begins s * k_stride + g * d values behind k; v: g * dv
  int64_t k_stride, v_stride;  // in values
  CacheFormat k_format, v_format;
  int64_t queries, groups, heads, d, dv;
  int64_t begin, end;
  int64_t first, last, first_slope, last_slope;  // as in AttentionCall
  const float* mask;
  int64_t mask_stride;
  float scale;
  // What the keys give, one a row; rows as those of q, without gaps.
  float *most, *total;  // [rows]
  float* sums;          // [rows, dv]
  float* scratch;       // rows * kKeyTile floats
};

// Mamba's scan of up to 16 channels that share b and c; see scan-inl.h.
struct ScanCall {
  const float *u, *delta;  // channel i begins at i * length
  const float* a;          // [channels, n]
  const float *b, *c;      // [n, length]
  const float* skip;       // [channels]
  float* y;                // as u
  int64_t channels, n, length;
  float* scratch;  // scan_scratch(n) floats
};
constexpr int64_t scan_scratch(int64_t n) { return 2 * kPanelRows * n; }

}  // namespace galago::cpu
