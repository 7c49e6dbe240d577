// Attention of few queries over a long cache (cpu/kernels/attention_stream-inl.h). The work is cut into pieces of keys
// and of neighbouring heads; every piece leaves the softmax state of its rows, and the states of a row are put together
// in the order of keys. Where the cuts between keys lie does not depend on the number of threads, so neither do the
// bits.
#include <algorithm>

#include "cpu/ops/attention.h"
#include "cpu/ops/panels.h"

namespace galago::cpu {
namespace {

constexpr int64_t kMostQueries = 4;  // above, tiles of queries share what they read
constexpr int64_t kPieceKeys = 512;

int64_t n_pieces(int64_t keys) { return (keys + kPieceKeys - 1) / kPieceKeys; }

// Softmax states of the rows (query, head) of one batch: [pieces][part of heads][query][head of the part].
struct States {
  float *most, *total, *sums;
  int64_t rows, dv;

  States(const AttentionSizes& s, float* memory) : rows(s.queries * s.heads), dv(s.dv) {
    const int64_t n = n_pieces(s.keys) * rows;
    most = memory;
    total = most + n;
    sums = total + n;
  }
  static int64_t floats(const AttentionSizes& s) { return n_pieces(s.keys) * s.queries * s.heads * (s.dv + 2); }
};

// One batch of a call.
struct Stream {
  const OpCall& call;
  const AttentionSizes& s;
  const Visible& seen;
  int64_t batch, parts;  // parts of the heads
  int64_t begin, end;    // keys that some query sees
  States states;
  float* scratch;  // of slot 0

  int64_t first_group(int64_t part) const { return s.groups * part / parts; }
  // Where the rows of a part begin in the states of a piece.
  int64_t first_row(int64_t piece, int64_t part) const {
    return piece * states.rows + first_group(part) * s.per_group * s.queries;
  }
  void run_piece(int64_t piece, int64_t part, float* room) const;
  void merge(int64_t query, int64_t head) const;
};

void Stream::run_piece(int64_t piece, int64_t part, float* room) const {
  const int64_t group = first_group(part), row = first_row(piece, part), from = begin + piece * kPieceKeys;
  kernels().attention_stream({.q = f32(call.in[0]) + (batch * s.queries * s.heads + group * s.per_group) * s.d,
                              .q_stride = s.heads * s.d,
                              .k = head_bytes(call.in[1], s, batch, group),
                              .v = head_bytes(call.in[2], s, batch, group),
                              .k_stride = s.groups * s.d,
                              .v_stride = s.groups * s.dv,
                              .k_format = cache_format(call.in[1]),
                              .v_format = cache_format(call.in[2]),
                              .queries = s.queries,
                              .groups = first_group(part + 1) - group,
                              .heads = s.per_group,
                              .d = s.d,
                              .dv = s.dv,
                              .begin = from,
                              .end = std::min(end, from + kPieceKeys),
                              .first = seen.first,
                              .last = seen.last,
                              .first_slope = seen.first_slope,
                              .last_slope = seen.last_slope,
                              .mask = mask_of(call, s, batch),
                              .mask_stride = s.keys,
                              .scale = call.node.attr<AttentionAttrs>().scale,
                              .most = states.most + row,
                              .total = states.total + row,
                              .sums = states.sums + row * s.dv,
                              .scratch = room});
}

// Weights exp(most of the piece - most of all).
void Stream::merge(int64_t query, int64_t head) const {
  int64_t part = 0;
  while (first_group(part + 1) * s.per_group <= head) ++part;
  const int64_t heads = (first_group(part + 1) - first_group(part)) * s.per_group;
  const int64_t within = query * heads + head - first_group(part) * s.per_group;
  const int64_t pieces = n_pieces(end - begin);
  auto row = [&](int64_t piece) { return first_row(piece, part) + within; };
  float most = states.most[row(0)];
  for (int64_t piece = 1; piece < pieces; ++piece) most = std::max(most, states.most[row(piece)]);
  float* y = f32(call.out) + ((batch * s.queries + query) * s.heads + head) * s.dv;
  std::fill_n(y, s.dv, 0.0f);
  float total = 0;
  for (int64_t piece = 0; piece < pieces; ++piece) {
    const int64_t r = row(piece);
    if (states.total[r] == 0) continue;  // no key of the piece is seen
    float weight;
    kernels().exp_sum(&states.most[r], most, &weight, 1);
    total += weight * states.total[r];
    kernels().axpy(weight, states.sums + r * s.dv, y, s.dv);
  }
  if (total != 0) kernels().affine(y, 1 / total, 0, y, s.dv);  // no key seen: 0
}

}  // namespace

bool streams(const AttentionSizes& s) {
  return s.queries > 0 && s.queries <= kMostQueries && s.d % 32 == 0 && s.dv % 32 == 0;
}

size_t stream_scratch(const AttentionSizes& s, int n_threads) {
  return sizeof(float) * static_cast<size_t>(States::floats(s) + n_threads * s.queries * s.heads * kKeyTile);
}

void attend_stream(const OpCall& call, const AttentionSizes& s, const Visible& seen) {
  float* memory = reinterpret_cast<float*>(call.scratch.data());
  const int64_t begin = seen.first_of(0), end = std::max(seen.last_of(s.queries - 1) + 1, begin);
  const int64_t pieces = std::max<int64_t>(n_pieces(end - begin), 1);
  const int64_t parts = std::min<int64_t>(s.groups, call.pool.size());
  const int64_t products = s.heads * s.queries * (end - begin) * (s.d + s.dv);
  for (int64_t batch = 0; batch < s.batch; ++batch) {
    const Stream stream{call, s, seen, batch, parts, begin, end, States(s, memory), memory + States::floats(s)};
    for_slots(call.pool, pieces * parts, products, [&](int slot, int64_t item) {
      stream.run_piece(item / parts, item % parts, stream.scratch + slot * s.queries * s.heads * kKeyTile);
    });
    for (int64_t query = 0; query < s.queries; ++query)
      for (int64_t head = 0; head < s.heads; ++head) stream.merge(query, head);
  }
}

}  // namespace galago::cpu
