// attention: softmax(scale q k^T + mask) v, grouped-query, over a whole sequence or a cache. q [B, T, H, D],
// k [B, S, G, D], v [B, S, G, Dv]; query head h uses key/value head h / (H / G).
// Query t sees keys first(t) .. last(t): last = past + t if causal, else past + T - 1; first = last - window + 1 if
// there is a window, else 0. Fast: cpu/kernels/attention-inl.h, one call a (batch, key/value head, block of queries),
// or for few queries attention_stream.cc.
#include "cpu/ops/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/half.h"

namespace galago::cpu {

Visible visible_keys(const OpCall& call, const AttentionSizes& s) {
  const AttentionAttrs& a = call.node.attr<AttentionAttrs>();
  const int64_t past = a.has_past ? i32(call.in[3])[0] : s.keys - s.queries;
  if (a.has_past && (past < 0 || past + s.queries > s.keys))
    throw invalid_input("attention: {} past and {} new keys in a cache of {}", past, s.queries, s.keys);
  const int64_t last = a.causal ? past : past + s.queries - 1, slope = a.causal ? 1 : 0;
  // A window moves with the last key; without one all queries begin at key 0.
  return a.window > 0 ? Visible{last - a.window + 1, last, slope, slope} : Visible{0, last, 0, slope};
}

const float* mask_of(const OpCall& call, const AttentionSizes& s, int64_t batch) {
  const AttentionAttrs& a = call.node.attr<AttentionAttrs>();
  if (!a.has_mask) return nullptr;
  const Tensor& mask = call.in[a.has_past ? 4 : 3];
  return f32(mask) + (mask.shape().rank() == 3 ? batch * s.queries * s.keys : 0);
}

CacheFormat cache_format(const Tensor& t) {
  switch (t.dtype()) {
    case DType::F32:
      return CacheFormat::F32;
    case DType::F16:
      return CacheFormat::F16;
    case DType::Q8_0:
      return CacheFormat::Q8_0;
    default:
      throw unsupported("attention: keys or values are {}, expected f32, f16 or q8_0", info(t.dtype()).name);
  }
}

namespace {

float number(const Tensor& t, CacheFormat format, int64_t i) {
  if (format == CacheFormat::F32) return f32(t)[i];
  if (format == CacheFormat::F16) return f16_to_f32(reinterpret_cast<const uint16_t*>(t.bytes())[i]);
  Unpacked block;
  info(t.dtype()).unpack(t.bytes(), i / 32, block);
  return block.scale[i % 32 / 16] * static_cast<float>(block.code[i % 32]);
}

// One query of one head; scores [keys].
void attend(const OpCall& call, const AttentionSizes& s, int64_t b, int64_t t, int64_t h, const Visible& seen,
            float* scores) {
  const float scale = call.node.attr<AttentionAttrs>().scale;
  const CacheFormat k_format = cache_format(call.in[1]), v_format = cache_format(call.in[2]);
  const float* q = f32(call.in[0]) + ((b * s.queries + t) * s.heads + h) * s.d;
  const float* mask = mask_of(call, s, b);
  const int64_t first = seen.first_of(t), end = seen.last_of(t) + 1;
  auto head = [&](int64_t key) { return (b * s.keys + key) * s.groups + h / s.per_group; };
  float most = -std::numeric_limits<float>::infinity();
  for (int64_t key = first; key < end; ++key) {
    double sum = 0;
    for (int64_t i = 0; i < s.d; ++i)
      sum += static_cast<double>(q[i]) * number(call.in[1], k_format, head(key) * s.d + i);
    scores[key] = static_cast<float>(scale * sum) + (mask ? mask[t * s.keys + key] : 0);
    most = std::max(most, scores[key]);
  }
  double total = 0;
  for (int64_t key = first; key < end; ++key) {
    scores[key] = std::isinf(scores[key]) && scores[key] < 0 ? 0 : std::exp(scores[key] - most);
    total += scores[key];
  }
  float* y = f32(call.out) + ((b * s.queries + t) * s.heads + h) * s.dv;
  for (int64_t j = 0; j < s.dv; ++j) {
    double sum = 0;
    for (int64_t key = first; key < end; ++key)
      sum += static_cast<double>(scores[key]) * number(call.in[2], v_format, head(key) * s.dv + j);
    y[j] = total == 0 ? 0 : static_cast<float>(sum / total);  // no key seen: 0
  }
}

void scalar(const OpCall& call) {
  AttentionSizes s(call.in);
  const Visible seen = visible_keys(call, s);
  float* scores = reinterpret_cast<float*>(call.scratch.data());
  for (int64_t b = 0; b < s.batch; ++b)
    for (int64_t t = 0; t < s.queries; ++t)
      for (int64_t h = 0; h < s.heads; ++h) attend(call, s, b, t, h, seen, scores);
}

// ---- fast: many queries
// ------------------------------------------------------------------------------------------------

constexpr int64_t kRowsAtOnce = 64;  // (query, head) rows of one kernel call: four panels

int64_t queries_at_once(const AttentionSizes& s) {
  return std::clamp<int64_t>(kRowsAtOnce / std::max<int64_t>(s.per_group, 1), 1, std::max<int64_t>(s.queries, 1));
}

// Levels that multiply pairs of bf16 get keys and values as such, before the queries' scratch.
int64_t head_pairs(const AttentionSizes& s) { return k_pairs_floats(s.keys, s.d) + v_pairs_floats(s.keys, s.dv); }
int64_t all_pairs(const AttentionSizes& s) {
  if (!kernels().pair_keys || s.d % 2 != 0 || streams(s)) return 0;
  return (s.batch * s.groups * head_pairs(s) + 15) / 16 * 16;
}

int64_t scratch_floats(const AttentionSizes& s) {
  return (attention_scratch(queries_at_once(s) * s.per_group, s.d, s.dv) + 15) / 16 * 16;
}

float* slot_scratch(const OpCall& call, const AttentionSizes& s, int slot) {
  return reinterpret_cast<float*>(call.scratch.data()) + all_pairs(s) + slot * scratch_floats(s);
}

size_t scratch_bytes(const Node&, std::span<const Tensor> in, int n_threads) {
  AttentionSizes s(in);
  const int64_t floats = std::max(s.keys, all_pairs(s) + n_threads * scratch_floats(s));
  const size_t blocks = sizeof(float) * static_cast<size_t>(floats);
  return streams(s) ? std::max(blocks, stream_scratch(s, n_threads)) : blocks;
}

// Keys and values as the kernel reads them: of one head, or pairs of all heads.
struct KeySource {
  const OpCall& call;
  const AttentionSizes& s;
  float* pairs;  // null: as they are

  float* k_pairs(int64_t b, int64_t g) const { return pairs + (b * s.groups + g) * head_pairs(s); }
  float* v_pairs(int64_t b, int64_t g) const { return k_pairs(b, g) + k_pairs_floats(s.keys, s.d); }
  const void* k(int64_t b, int64_t g) const {
    return pairs ? static_cast<const void*>(k_pairs(b, g)) : head_bytes(call.in[1], s, b, g);
  }
  const void* v(int64_t b, int64_t g) const {
    return pairs ? static_cast<const void*>(v_pairs(b, g)) : head_bytes(call.in[2], s, b, g);
  }
};

void pair_all(const OpCall& call, const AttentionSizes& s, const Visible& seen, const KeySource& keys) {
  constexpr int64_t kKeysAtOnce = 4 * kKeyTile;
  const int64_t end = std::clamp<int64_t>(seen.last_of(s.queries - 1) + 1, 0, s.keys);
  const int64_t chunks = (end + kKeysAtOnce - 1) / kKeysAtOnce;
  for_slots(call.pool, s.batch * s.groups * chunks, s.batch * s.groups * end * (s.d + s.dv), [&](int slot, int64_t i) {
    const int64_t head = i / chunks, b = head / s.groups, g = head % s.groups, begin = i % chunks * kKeysAtOnce;
    kernels().pair_keys({.k = head_bytes(call.in[1], s, b, g),
                         .v = head_bytes(call.in[2], s, b, g),
                         .k_stride = s.groups * s.d,
                         .v_stride = s.groups * s.dv,
                         .k_format = cache_format(call.in[1]),
                         .v_format = cache_format(call.in[2]),
                         .begin = begin,
                         .end = std::min(end, begin + kKeysAtOnce),
                         .d = s.d,
                         .dv = s.dv,
                         .k_pairs = keys.k_pairs(b, g),
                         .v_pairs = keys.v_pairs(b, g),
                         .scratch = slot_scratch(call, s, slot)});
  });
}

// Queries t .. of key/value head g in batch b.
void attend_block(const OpCall& call, const AttentionSizes& s, const Visible& seen, const KeySource& keys, int64_t b,
                  int64_t g, int64_t t, float* scratch) {
  const int64_t row = (b * s.queries + t) * s.heads + g * s.per_group;
  const float* mask = mask_of(call, s, b);
  kernels().attention({.q = f32(call.in[0]) + row * s.d,
                       .q_stride = s.heads * s.d,
                       .k = keys.k(b, g),
                       .v = keys.v(b, g),
                       .k_stride = s.groups * s.d,
                       .v_stride = s.groups * s.dv,
                       .k_format = cache_format(call.in[1]),
                       .v_format = cache_format(call.in[2]),
                       .queries = std::min(queries_at_once(s), s.queries - t),
                       .heads = s.per_group,
                       .d = s.d,
                       .dv = s.dv,
                       .first = seen.first + seen.first_slope * t,
                       .last = seen.last_of(t),
                       .first_slope = seen.first_slope,
                       .last_slope = seen.last_slope,
                       .mask = mask ? mask + t * s.keys : nullptr,
                       .mask_stride = s.keys,
                       .scale = call.node.attr<AttentionAttrs>().scale,
                       .paired = keys.pairs != nullptr,
                       .y = f32(call.out) + row * s.dv,
                       .y_stride = s.heads * s.dv,
                       .scratch = scratch});
}

void attend_blocks(const OpCall& call, const AttentionSizes& s, const Visible& seen) {
  const int64_t step = queries_at_once(s), blocks = (s.queries + step - 1) / step, items = s.batch * s.groups * blocks;
  const int64_t products = s.batch * s.heads * s.queries * std::max<int64_t>(seen.last + 1, 1) * (s.d + s.dv);
  const bool pairs = call.narrow && !call.exact && all_pairs(s) > 0;
  const KeySource keys{call, s, pairs ? reinterpret_cast<float*>(call.scratch.data()) : nullptr};
  if (pairs) pair_all(call, s, seen, keys);
  for_slots(call.pool, items, products, [&](int slot, int64_t item) {
    const int64_t block = blocks - 1 - item % blocks;  // the longest rows first
    const int64_t pair = item / blocks;                // keys and values of one head stay in the cache
    attend_block(call, s, seen, keys, pair / s.groups, pair % s.groups, block * step, slot_scratch(call, s, slot));
  });
}

void fast(const OpCall& call) {
  AttentionSizes s(call.in);
  const Visible seen = visible_keys(call, s);
  if (call.out.elements() == 0) return;
  streams(s) && !call.exact ? attend_stream(call, s, seen) : attend_blocks(call, s, seen);
}

}  // namespace

CpuOp make_Attention() { return {.scalar = scalar, .fast = fast, .scratch_bytes = scratch_bytes}; }

}  // namespace galago::cpu
