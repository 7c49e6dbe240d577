// Attention by tiles of 64 keys with an online softmax (Milakov and Gimelshein 2018; Dao et al., FlashAttention, 2022):
// per row the largest score m, the sum l of exp(score - m) and the weighted sum of values; a new tile with a larger m
// rescales both by exp(m_old - m_new). Lanes are rows (16 a panel): scores^T = k q^T and sums^T += v^T p^T, so that
// keys and values are read where they lie, one number at a time, and softmax never adds across lanes. Rows are (query,
// head) pairs of all query heads that share this key/value head. Few queries: attention_stream-inl.h. Both products are
// of f32 or of pairs of bf16 (kPairs; pairs-inl.h): queries and keys paired along d, probabilities and values along the
// keys. Pairs of keys and values are made before, once for all queries (k_pair_keys).
#pragma once

namespace galago::cpu::GALAGO_ISA {
namespace {

constexpr float kMinusInfinity = -__builtin_inff();

struct KeyTile {
  int64_t begin, n;
  const float *k, *v;  // key i of the tile begins at k + i * k_stride
  int64_t k_stride, v_stride;
};

GALAGO_INLINE void halves_to_floats(const uint16_t* x, float* y, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, load_f16(x + i));
  if (i == n) return;
  uint16_t tail[kLanes] = {};
  for (int64_t j = i; j < n; ++j) tail[j - i] = x[j];
  store_part(y + i, load_f16(tail), static_cast<int>(n - i));
}

// n values in blocks of Q8_0.
GALAGO_INLINE void q8_to_floats(const uint8_t* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; i += kQ8Values, x += kQ8Bytes) {
    const F32 scale = set_f16(reinterpret_cast<const uint16_t*>(x));
    for (int64_t j = 0; j < kQ8Values; j += kLanes) store(y + i + j, load_i8(x + 2 + j) * scale);
  }
}

// `count` vectors of n values as f32: in place, or narrower ones widened into `room`, where the stride becomes n.
const float* tile_floats(const void* x, CacheFormat format, int64_t begin, int64_t count, int64_t n, int64_t& stride,
                         float* room) {
  if (format == CacheFormat::F32) return static_cast<const float*>(x) + begin * stride;
  for (int64_t i = begin; i < begin + count; ++i, room += n)
    if (format == CacheFormat::F16)
      halves_to_floats(static_cast<const uint16_t*>(x) + i * stride, room, n);
    else
      q8_to_floats(static_cast<const uint8_t*>(x) + i * (stride / kQ8Values * kQ8Bytes), room, n);
  stride = n;
  return room - count * n;
}

template <class Call>
KeyTile key_tile(const Call& c, int64_t begin, int64_t n, float* k, float* v) {
  KeyTile tile{begin, n, nullptr, nullptr, c.k_stride, c.v_stride};
  tile.k = tile_floats(c.k, c.k_format, begin, n, c.d, tile.k_stride, k);
  tile.v = tile_floats(c.v, c.v_format, begin, n, c.dv, tile.v_stride, v);
  return tile;
}

// Values are read several times a tile: rows side by side do not fight for the same sets of the first-level cache, as
// rows a multiple of 4096 bytes apart do.
void gather_values(const AttentionCall& c, KeyTile& tile, float* room) {
  if (c.v_format != CacheFormat::F32) return;  // they are side by side already
  for (int64_t i = 0; i < tile.n; ++i) {
    const float* from = tile.v + i * tile.v_stride;
    float* to = room + i * c.dv;
    each_vector(
        c.dv, [=](int64_t j, auto place) __attribute__((always_inline)) { put(to + j, get(from + j, place), place); });
  }
  tile.v = room;
  tile.v_stride = c.dv;
}

// Keys that some query sees, from the beginning of a tile on: tiles lie the same for every block of queries.
GALAGO_INLINE int64_t first_key(const AttentionCall& c) { return c.first > 0 ? c.first / kKeyTile * kKeyTile : 0; }
GALAGO_INLINE int64_t end_key(const AttentionCall& c) { return c.last + c.last_slope * (c.queries - 1) + 1; }
GALAGO_INLINE int64_t tile_keys(int64_t begin, int64_t end) { return end - begin < kKeyTile ? end - begin : kKeyTile; }

// exp(x - shift) must be 0, not NaN, where everything is forbidden.
GALAGO_INLINE F32 finite_shift(F32 most) { return select(most < set(-__FLT_MAX__), zero(), most); }

struct RowPanels {
  int64_t rows, padded;                // padded to whole panels
  float* q;                            // panels [d or d / 2][16], times scale
  float* scores;                       // [keys of a tile][padded]
  float* sums;                         // [dv][padded]
  float *most, *total, *first, *last;  // [padded]
  float *k, *v;                        // a tile of narrow keys and values as f32
};

RowPanels row_panels(const AttentionCall& c) {
  RowPanels s;
  s.rows = c.queries * c.heads;
  s.padded = (s.rows + kPanelRows - 1) / kPanelRows * kPanelRows;
  s.q = c.scratch;
  s.scores = s.q + s.padded * c.d;
  s.sums = s.scores + s.padded * kKeyTile;
  s.most = s.sums + s.padded * c.dv;
  s.total = s.most + s.padded;
  s.first = s.total + s.padded;
  s.last = s.first + s.padded;
  s.k = s.last + s.padded;
  s.v = s.k + kKeyTile * c.d;
  return s;
}

// Scores of pairs are multiples of log 2, so that exp is 2^x: to 8e-5, where bf16 rounds by 2e-3.
template <bool kPairs>
constexpr float kScoreUnit = kPairs ? 1.44269504f : 1;
template <bool kPairs>
GALAGO_INLINE F32 exp_score(F32 x) {
#if defined(GALAGO_ISA_BF16)
  if constexpr (kPairs) {
    constexpr float kTerms[] = {9.999280735e-01f, 6.932609855e-01f, 2.426111222e-01f, 5.517166907e-02f};
    x = max(set(-150), x);
    const F32 count = {_mm512_roundscale_ps(x.v, 0)};
    return {_mm512_scalef_ps(polynomial(x - count, kTerms).v, count.v)};
  }
#endif
  return exp(x);
}

template <bool kPairs>
void start_rows(const AttentionCall& c, const RowPanels& s) {
  const int64_t steps = kPairs ? c.d / 2 : c.d;
  float* scaled = s.k;  // not in use yet
  for (int64_t r = 0; r < s.padded; ++r) {
    const bool real = r < s.rows;
    const int64_t query = real ? r / c.heads : 0;
    k_affine(c.q + query * c.q_stride + r % c.heads * c.d, real ? c.scale * kScoreUnit<kPairs> : 0, 0, scaled, c.d);
#if defined(GALAGO_ISA_BF16)
    if (kPairs) k_pair_row(scaled, c.d, scaled);
#endif
    float* panel = s.q + r / kPanelRows * kPanelRows * steps + r % kPanelRows;
    for (int64_t i = 0; i < steps; ++i) panel[i * kPanelRows] = scaled[i];
    s.most[r] = kMinusInfinity;
    s.total[r] = 0;
    s.first[r] = static_cast<float>(c.first + c.first_slope * query);
    s.last[r] = static_cast<float>(c.last + c.last_slope * query);
  }
  for (int64_t i = 0; i < s.padded * c.dv; ++i) s.sums[i] = 0;
}

KeyTile paired_tile(const AttentionCall& c, int64_t begin, int64_t n) {
  return {begin,
          n,
          static_cast<const float*>(c.k) + k_pairs_floats(begin, c.d),
          static_cast<const float*>(c.v) + v_pairs_floats(begin, c.dv),
          c.d / 2,
          c.dv};
}

template <bool kPairs>
constexpr PanelKind kTileKind = kPairs ? PanelKind::BF16Pairs : PanelKind::F32;

template <bool kPairs>
void score_tile(const AttentionCall& c, const RowPanels& s, const KeyTile& tile) {
  const int64_t steps = kPairs ? c.d / 2 : c.d;
  gemm_kind<kTileKind<kPairs>>({.x = tile.k,
                                .x_stride = tile.k_stride,
                                .x_step = 1,
                                .rows = tile.n,
                                .k = steps,
                                .panels = s.q,
                                .panel_stride = steps * kPanelRows,
                                .n = s.padded,
                                .y = s.scores,
                                .y_stride = s.padded});
  if (!c.mask) return;
  for (int64_t r = 0; r < s.rows; ++r) {
    const float* mask = c.mask + r / c.heads * c.mask_stride + tile.begin;
    for (int64_t i = 0; i < tile.n; ++i) s.scores[i * s.padded + r] += mask[i] * kScoreUnit<kPairs>;
  }
}

// The largest score of each of the rows, after those of keys they do not see became -inf.
GALAGO_INLINE F32 largest_score(const RowPanels& s, const KeyTile& tile, int64_t row, F32 most) {
  const F32 first = load(s.first + row), last = load(s.last + row);
  const F32 begin = set(static_cast<float>(tile.begin)), end = set(static_cast<float>(tile.begin + tile.n - 1));
  float* place = s.scores + row;
  if (!any(last < end) && !any(begin < first)) {
    for (int64_t i = 0; i < tile.n; ++i, place += s.padded) most = max(load(place), most);
    return most;
  }
  for (int64_t i = 0; i < tile.n; ++i, place += s.padded) {
    const F32 key = set(static_cast<float>(tile.begin + i)), forbidden = set(kMinusInfinity);
    const F32 score = select(last < key, forbidden, select(key < first, forbidden, load(place)));
    store(place, score);
    most = max(score, most);
  }
  return most;
}

// Scores of one vector of rows to probabilities, of two keys as pairs.
template <bool kPairs>
GALAGO_INLINE F32 exponentials(const RowPanels& s, const KeyTile& tile, int64_t row, F32 shift) {
  F32 sum = zero();
  const float* from = s.scores + row;
  float* to = s.scores + row;
  auto next = [&](int64_t i) GALAGO_LAMBDA_INLINE {
    const F32 p = exp_score<kPairs>(load(from + i * s.padded) - shift);
    sum = sum + p;
    return p;
  };
#if defined(GALAGO_ISA_BF16)
  if constexpr (kPairs) {
    int64_t i = 0;
    for (; i + 1 < tile.n; i += 2, to += s.padded) {
      const F32 p = next(i);
      store(to, pairs_of_lanes(p, next(i + 1)));
    }
    if (i < tile.n) store(to, pairs_of_lanes(next(i), zero()));
    return sum;
  }
#endif
  for (int64_t i = 0; i < tile.n; ++i, to += s.padded) store(to, next(i));
  return sum;
}

// Scores of one vector of rows to probabilities; the rows' sums and totals to the new largest score.
template <bool kPairs>
GALAGO_INLINE void softmax_lanes(const AttentionCall& c, const RowPanels& s, const KeyTile& tile, int64_t row) {
  const F32 before = load(s.most + row), most = largest_score(s, tile, row, before);
  const F32 shift = finite_shift(most), shrink = exp_score<kPairs>(before - shift);
  const F32 sum = exponentials<kPairs>(s, tile, row, shift);
  store(s.most + row, most);
  store(s.total + row, fma(load(s.total + row), shrink, sum));
  if (!any(before < most)) return;  // the sums are those of this largest score already
  for (int64_t j = 0; j < c.dv; ++j) {
    float* place = s.sums + j * s.padded + row;
    store(place, load(place) * shrink);
  }
}

template <bool kPairs>
void add_values(const AttentionCall& c, const RowPanels& s, const KeyTile& tile) {
  gemm_kind<kTileKind<kPairs>>({.x = tile.v,
                                .x_stride = 1,
                                .x_step = tile.v_stride,
                                .rows = c.dv,
                                .k = kPairs ? (tile.n + 1) / 2 : tile.n,
                                .panels = s.scores,
                                .panel_stride = kPanelRows,
                                .step_stride = s.padded,
                                .n = s.padded,
                                .y = s.sums,
                                .y_stride = s.padded,
                                .accumulate = true});
}

void finish_rows(const AttentionCall& c, const RowPanels& s) {
  for (int64_t r = 0; r < s.rows; ++r) {
    float* y = c.y + r / c.heads * c.y_stride + r % c.heads * c.dv;
    const float inverse = s.total[r] == 0 ? 0 : 1 / s.total[r];  // no key seen: 0
    for (int64_t j = 0; j < c.dv; ++j) y[j] = s.sums[j * s.padded + r] * inverse;
  }
}

template <bool kPairs>
void attend_tiles(const AttentionCall& c) {
  const RowPanels s = row_panels(c);
  start_rows<kPairs>(c, s);
  for (int64_t begin = first_key(c); begin < end_key(c); begin += kKeyTile) {
    const int64_t n = tile_keys(begin, end_key(c));
    KeyTile tile = kPairs ? paired_tile(c, begin, n) : key_tile(c, begin, n, s.k, s.v);
    if (!kPairs) gather_values(c, tile, s.v);
    score_tile<kPairs>(c, s, tile);
    for (int64_t row = 0; row < s.padded; row += kLanes) softmax_lanes<kPairs>(c, s, tile, row);
    add_values<kPairs>(c, s, tile);
  }
  finish_rows(c, s);
}

void k_attention(const AttentionCall& c) {
  if constexpr (kMultipliesPairs)
    if (c.paired) return attend_tiles<true>(c);
  attend_tiles<false>(c);
}

#if defined(GALAGO_ISA_BF16)
void pair_tile(const PairKeysCall& c, const KeyTile& tile) {
  for (int64_t i = 0; i < tile.n; ++i)
    k_pair_row(tile.k + i * tile.k_stride, c.d, c.k_pairs + k_pairs_floats(tile.begin + i, c.d));
  for (int64_t i = 0; i < tile.n; i += 2) {
    const float *from = tile.v + i * tile.v_stride, *next = from + tile.v_stride;
    float* to = c.v_pairs + v_pairs_floats(tile.begin + i, c.dv);
    const bool two = i + 1 < tile.n;
    each_vector(
        c.dv, [=](int64_t j, auto place) __attribute__((always_inline)) {
          put(to + j, pairs_of_lanes(get(from + j, place), two ? get(next + j, place) : zero()), place);
        });
  }
}

void k_pair_keys(const PairKeysCall& c) {
  for (int64_t begin = c.begin; begin < c.end; begin += kKeyTile)
    pair_tile(c, key_tile(c, begin, tile_keys(begin, c.end), c.scratch, c.scratch + kKeyTile * c.d));
}
#else
constexpr auto k_pair_keys = nullptr;
#endif

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
