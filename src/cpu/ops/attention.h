// What the files of the attention op share.
#pragma once

#include "cpu/ops/common.h"

namespace galago::cpu {

struct AttentionSizes {
  int64_t batch, queries, heads, d, keys, groups, dv;
  int64_t per_group;  // query heads a key/value head

  explicit AttentionSizes(std::span<const Tensor> in) {
    const Shape &q = in[0].shape(), &k = in[1].shape();
    batch = q[0], queries = q[1], heads = q[2], d = q[3];
    keys = k[1], groups = k[2], dv = in[2].shape()[3];
    per_group = heads / groups;
  }
};

// Query t sees keys first + slope_first t .. last + slope_last t, and none below 0.
struct Visible {
  int64_t first, last, first_slope, last_slope;
  int64_t first_of(int64_t query) const { return std::max<int64_t>(0, first + first_slope * query); }
  int64_t last_of(int64_t query) const { return last + last_slope * query; }
};

Visible visible_keys(const OpCall& call, const AttentionSizes& s);  // throws InvalidInput if the cache is too short

// Row 0 of the mask of a batch, [queries, keys]; null without a mask.
const float* mask_of(const OpCall& call, const AttentionSizes& s, int64_t batch);

CacheFormat cache_format(const Tensor& t);  // throws Unsupported

// Keys or values of group g in batch b: key 0.
inline const std::byte* head_bytes(const Tensor& t, const AttentionSizes& s, int64_t b, int64_t g) {
  return t.bytes() + (b * s.keys * s.groups + g) * static_cast<int64_t>(t.row_bytes());
}

// Few queries: the cache is read once, in order, shared by threads in pieces of keys (attention_stream.cc).
bool streams(const AttentionSizes& s);
size_t stream_scratch(const AttentionSizes& s, int n_threads);
void attend_stream(const OpCall& call, const AttentionSizes& s, const Visible& seen);

}  // namespace galago::cpu
