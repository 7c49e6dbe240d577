// Attention of few queries (decoding) with a long cache. Such a step reads every key and value once, so the cache is
// walked in the order of memory: kStreamKeys keys at a time for all key/value heads, whose rows lie side by side. An
// online softmax as in attention-inl.h; a call covers a range of keys and leaves the largest score, the sum of
// exp(score - largest) and the weighted sum of values of every row, which merge_parts puts together. Lanes are
// channels.
#pragma once

namespace galago::cpu::GALAGO_ISA {
namespace {

constexpr int64_t kStreamKeys = 8;  // as many streams as hardware follows: one for each key of a tile

// Rows of the cache. load(i, within): the vector of channels from i + within on, i a multiple of kStep; if kScaled, to
// be multiplied by scale(i), an f16.
struct F32Row {
  static constexpr bool kScaled = false;
  static constexpr int64_t kStep = kLanes;
  static constexpr int64_t bytes(int64_t n) { return 4 * n; }
  const float* p;
  static GALAGO_INLINE F32Row at(const void* base, int64_t value) { return {static_cast<const float*>(base) + value}; }
  GALAGO_INLINE F32 load(int64_t i, int64_t) const { return galago::cpu::GALAGO_ISA::load(p + i); }
};
struct F16Row {
  static constexpr bool kScaled = false;
  static constexpr int64_t kStep = kLanes;
  static constexpr int64_t bytes(int64_t n) { return 2 * n; }
  const uint16_t* p;
  static GALAGO_INLINE F16Row at(const void* base, int64_t value) {
    return {static_cast<const uint16_t*>(base) + value};
  }
  GALAGO_INLINE F32 load(int64_t i, int64_t) const { return load_f16(p + i); }
};
struct Q8Row {  // blocks of 32: f16 d; i8 q[32]
  static constexpr bool kScaled = true;
  static constexpr int64_t kStep = kQ8Values;
  static constexpr int64_t bytes(int64_t n) { return n / kQ8Values * kQ8Bytes; }
  const uint8_t* p;
  static GALAGO_INLINE Q8Row at(const void* base, int64_t value) {
    return {static_cast<const uint8_t*>(base) + value / kQ8Values * kQ8Bytes};
  }
  GALAGO_INLINE const uint8_t* block(int64_t i) const { return p + i / kQ8Values * kQ8Bytes; }
  GALAGO_INLINE F32 load(int64_t i, int64_t within) const { return load_i8(block(i) + 2 + within); }
  GALAGO_INLINE const uint8_t* scale(int64_t i) const { return block(i); }
};

// The scales of n rows at channel i.
template <int n, class Row>
GALAGO_INLINE void row_scales(const Row* rows, int64_t i, float* scales) {
  uint16_t halves[n];
  GALAGO_UNROLL for (int s = 0; s < n; ++s) __builtin_memcpy(&halves[s], rows[s].scale(i), 2);
#if (defined(GALAGO_ISA_AVX2) || defined(GALAGO_ISA_AVX512)) && !defined(GALAGO_EMULATED)
  // Put together in a register: loading a vector from several small stores would wait for them.
  static_assert(n == 4 || n == 8);
  auto half = [&](int s) GALAGO_LAMBDA_INLINE { return static_cast<short>(s < n ? halves[s < n ? s : 0] : 0); };
  const __m128i all = _mm_set_epi16(half(7), half(6), half(5), half(4), half(3), half(2), half(1), half(0));
  if constexpr (n == 8)
    _mm256_storeu_ps(scales, _mm256_cvtph_ps(all));
  else
    _mm_storeu_ps(scales, _mm_cvtph_ps(all));
#else
  for (int s = 0; s < n; ++s) {
    uint16_t lanes[kLanes] = {halves[s]};
    float floats[kLanes];
    store(floats, load_f16(lanes));
    scales[s] = floats[0];
  }
#endif
}

// Row r of a call: query r / heads of a group, head r % heads.
struct StreamRows {
  const StreamCall& c;
  int64_t n_heads;  // of all groups

  explicit StreamRows(const StreamCall& call) : c(call), n_heads(call.groups * call.heads) {}
  int64_t n() const { return c.queries * n_heads; }
  int64_t row(int64_t query, int64_t group, int64_t head) const { return query * n_heads + group * c.heads + head; }
  const float* q(int64_t row) const { return c.q + row / n_heads * c.q_stride + row % n_heads * c.d; }
  float* sums(int64_t row) const { return c.sums + row * c.dv; }
  float* scores(int64_t row) const { return c.scratch + row * kKeyTile; }
};

// Dot products of kRows rows of q with four keys; the scores of a row lie side by side.
template <class Row, int kRows>
GALAGO_INLINE void dot_keys(const float* const* q, const Row* keys, int64_t d, float* const* scores) {
  F32 sums[kRows][4];
  GALAGO_UNROLL for (int r = 0; r < kRows; ++r) GALAGO_UNROLL for (int s = 0; s < 4; ++s) sums[r][s] = zero();
  for (int64_t i = 0; i < d; i += Row::kStep) {
    F32 step[kRows][4];
    GALAGO_UNROLL for (int64_t within = 0; within < Row::kStep; within += kLanes) {
      F32 key[4];
      GALAGO_UNROLL for (int s = 0; s < 4; ++s) key[s] = keys[s].load(i, within);
      GALAGO_UNROLL for (int r = 0; r < kRows; ++r) {
        const F32 x = load(q[r] + i + within);
        GALAGO_UNROLL for (int s = 0; s < 4; ++s) {
          if constexpr (Row::kScaled)
            step[r][s] = within == 0 ? x * key[s] : fma(x, key[s], step[r][s]);
          else
            sums[r][s] = fma(x, key[s], sums[r][s]);
        }
      }
    }
    if constexpr (Row::kScaled) {
      float scales[4];
      row_scales<4>(keys, i, scales);
      GALAGO_UNROLL for (int r = 0; r < kRows; ++r) {
        GALAGO_UNROLL for (int s = 0; s < 4; ++s) sums[r][s] = fma(step[r][s], set(scales[s]), sums[r][s]);
      }
    }
  }
  GALAGO_UNROLL for (int r = 0; r < kRows; ++r)
      reduce_add_four(sums[r][0], sums[r][1], sums[r][2], sums[r][3], scores[r]);
}

// sums += p v of kStreamKeys keys for kRows rows.
template <class Row, int kRows>
GALAGO_INLINE void add_keys(const float* const* p, const Row* values, int64_t dv, float* const* sums) {
  for (int64_t i = 0; i < dv; i += Row::kStep) {
    float weights[kRows][kStreamKeys], scales[kStreamKeys];
    if constexpr (Row::kScaled) row_scales<kStreamKeys>(values, i, scales);
    GALAGO_UNROLL for (int r = 0; r < kRows; ++r) {
      GALAGO_UNROLL for (int s = 0; s < kStreamKeys; ++s) weights[r][s] = Row::kScaled ? p[r][s] * scales[s] : p[r][s];
    }
    GALAGO_UNROLL for (int64_t within = 0; within < Row::kStep; within += kLanes) {
      F32 y[kRows];
      GALAGO_UNROLL for (int r = 0; r < kRows; ++r) y[r] = load(sums[r] + i + within);
      GALAGO_UNROLL for (int s = 0; s < kStreamKeys; ++s) {
        const F32 value = values[s].load(i, within);
        GALAGO_UNROLL for (int r = 0; r < kRows; ++r) y[r] = fma(set(weights[r][s]), value, y[r]);
      }
      GALAGO_UNROLL for (int r = 0; r < kRows; ++r) store(sums[r] + i + within, y[r]);
    }
  }
}

// Keys key .. key + kStreamKeys - 1, of which those from `end` on are that of end - 1 again: they are masked later.
template <class Row>
struct KeyRows {
  Row first[kStreamKeys];  // of the first group

  GALAGO_INLINE KeyRows(const void* base, int64_t stride, int64_t key, int64_t end) {
    GALAGO_UNROLL for (int64_t s = 0; s < kStreamKeys; ++s) {
      first[s] = Row::at(base, (key + s < end ? key + s : end - 1) * stride);
    }
  }
  // The rows of n values from `offset` on. Those of the next keys are fetched into the second-level cache meanwhile, a
  // line for every 64 bytes: a jump from row to row is more than hardware foresees.
  GALAGO_INLINE void at(int64_t offset, int64_t n, int64_t stride, Row* rows) const {
    const int64_t next = Row::bytes(kStreamKeys * stride);
    GALAGO_UNROLL for (int64_t s = 0; s < kStreamKeys; ++s) {
      rows[s] = Row::at(first[s].p, offset);
      const char* bytes = reinterpret_cast<const char*>(rows[s].p) + next;
      for (int64_t line = 0; line + 32 < Row::bytes(n); line += 64) __builtin_prefetch(bytes + line, 0, 2);
    }
  }
};

template <int count>
struct Count {
  static constexpr int n = count;
};

// function(first row, Count<2> or Count<1>) over the rows of a group that share its keys.
template <class Function>
GALAGO_INLINE void each_pair(const StreamRows& rows, int64_t group, Function function) {
  const StreamCall& c = rows.c;
  for (int64_t query = 0; query < c.queries; ++query) {
    int64_t head = 0;
    for (; head + 2 <= c.heads; head += 2) function(rows.row(query, group, head), Count<2>{});
    if (head < c.heads) function(rows.row(query, group, head), Count<1>{});
  }
}

template <class Row>
void score_keys(const StreamRows& rows, int64_t tile, int64_t key, int64_t end) {
  const StreamCall& c = rows.c;
  const KeyRows<Row> key_rows(c.k, c.k_stride, key, end);
  for (int64_t group = 0; group < c.groups; ++group) {
    Row keys[kStreamKeys];
    key_rows.at(group * c.d, c.d, c.k_stride, keys);
    each_pair(rows, group, [&](int64_t row, auto count) GALAGO_LAMBDA_INLINE {
      constexpr int n = decltype(count)::n;
      const float* q[2] = {rows.q(row), n == 2 ? rows.q(row + 1) : nullptr};
      for (int s = 0; s < kStreamKeys; s += 4) {
        float* scores[2] = {rows.scores(row) + key - tile + s,
                            n == 2 ? rows.scores(row + 1) + key - tile + s : nullptr};
        dot_keys<Row, n>(q, keys + s, c.d, scores);
      }
    });
  }
}

template <class Row>
void weigh_values(const StreamRows& rows, int64_t tile, int64_t key, int64_t end) {
  const StreamCall& c = rows.c;
  const KeyRows<Row> value_rows(c.v, c.v_stride, key, end);
  for (int64_t group = 0; group < c.groups; ++group) {
    Row values[kStreamKeys];
    value_rows.at(group * c.dv, c.dv, c.v_stride, values);
    each_pair(rows, group, [&](int64_t row, auto count) GALAGO_LAMBDA_INLINE {
      constexpr int n = decltype(count)::n;
      const float* p[2] = {rows.scores(row) + key - tile, n == 2 ? rows.scores(row + 1) + key - tile : nullptr};
      float* sums[2] = {rows.sums(row), n == 2 ? rows.sums(row + 1) : nullptr};
      add_keys<Row, n>(p, values, c.dv, sums);
    });
  }
}

// The scores of a tile of keys become probabilities, and the row's sums those of the new largest score.
void softmax_row(const StreamRows& rows, int64_t row, int64_t tile, int64_t n) {
  const StreamCall& c = rows.c;
  const int64_t query = row / rows.n_heads, padded = (n + kStreamKeys - 1) / kStreamKeys * kStreamKeys;
  const int64_t first = c.first + c.first_slope * query, last = c.last + c.last_slope * query;
  const float* mask = c.mask ? c.mask + query * c.mask_stride + tile : nullptr;
  float* scores = rows.scores(row);
  float most = c.most[row];
  for (int64_t i = 0; i < padded; ++i) {
    const int64_t key = tile + i;
    const bool seen = i < n && key >= first && key <= last;
    scores[i] = seen ? scores[i] * c.scale + (mask ? mask[i] : 0) : kMinusInfinity;
    most = scores[i] > most ? scores[i] : most;
  }
  const float shift = most == kMinusInfinity ? 0 : most;
  const float sum = k_exp_sum(scores, shift, scores, padded);
  if (most != c.most[row]) {
    float shrink;
    k_exp_sum(&c.most[row], shift, &shrink, 1);
    k_affine(rows.sums(row), shrink, 0, rows.sums(row), c.dv);
    c.total[row] *= shrink;
    c.most[row] = most;
  }
  c.total[row] += sum;
}

template <class KeyRow, class ValueRow>
void stream(const StreamCall& c) {
  const StreamRows rows(c);
  for (int64_t row = 0; row < rows.n(); ++row) {
    c.most[row] = kMinusInfinity;
    c.total[row] = 0;
    for (int64_t i = 0; i < c.dv; ++i) rows.sums(row)[i] = 0;
  }
  for (int64_t tile = c.begin; tile < c.end; tile += kKeyTile) {
    const int64_t end = tile + kKeyTile < c.end ? tile + kKeyTile : c.end;
    for (int64_t key = tile; key < end; key += kStreamKeys) score_keys<KeyRow>(rows, tile, key, end);
    for (int64_t row = 0; row < rows.n(); ++row) softmax_row(rows, row, tile, end - tile);
    for (int64_t key = tile; key < end; key += kStreamKeys) weigh_values<ValueRow>(rows, tile, key, end);
  }
}

template <class KeyRow>
void stream_keys(const StreamCall& c) {
  switch (c.v_format) {
    case CacheFormat::F32:
      return stream<KeyRow, F32Row>(c);
    case CacheFormat::F16:
      return stream<KeyRow, F16Row>(c);
    case CacheFormat::Q8_0:
      return stream<KeyRow, Q8Row>(c);
  }
}

void k_attention_stream(const StreamCall& c) {
  switch (c.k_format) {
    case CacheFormat::F32:
      return stream_keys<F32Row>(c);
    case CacheFormat::F16:
      return stream_keys<F16Row>(c);
    case CacheFormat::Q8_0:
      return stream_keys<Q8Row>(c);
  }
}

}  // namespace
}  // namespace galago::cpu::GALAGO_ISA
