// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1; MiniCPM3): queries come from one low-rank
// vector a token, keys and values from another; a part of every head turns with the position, and that part of the key
// is one for all heads. Here the heads are written out in full, so that the cache holds plain keys and values.
//
// Weights: q_a [q_rank, d], q_a_norm [q_rank], q_b [H (nope + rope), q_rank], or q [H (nope + rope), d] where q_rank is
// 0; kv_a [kv_rank + rope, d], kv_a_norm [kv_rank], kv_b [H (nope + value), kv_rank], each head's rows together.
#pragma once

#include "nn/layers.h"

namespace galago {

struct LatentConfig {
  int q_rank = 0;  // 0: queries straight from x
  int kv_rank = 0;
  int d_nope = 0;     // channels of queries and keys that know no position, in front of ..
  int d_rope = 0;     // .. those that turn
  int d_value = 0;    // channels of a value head
  float eps = 1e-6f;  // of both norms: the class default of the published code, whatever the model's other norms have
  int d_head() const { return d_nope + d_rope; }
};

struct Rotation {
  Value positions;  // i32 [T] or [B, T]
  RopeAttrs rope;   // n_rot = d_rope
  Value factors;    // f32 [n_rot / 2], or invalid for ones
};

struct LatentHeads {
  Value q, k;  // [B, T, H, nope + rope], turned
  Value v;     // [B, T, H, value]
};

// x [B, T, d].
LatentHeads latent_heads(const Scope& s, Value x, int n_heads, const LatentConfig& c, const Rotation& at);

}  // namespace galago
