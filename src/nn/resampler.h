// The perceiver resampler of MiniCPM-V: one cross-attention layer that turns any number of patches into Q query tokens.
// y = ln_post(attn(q = ln_q(query) (+ pos_q), k = ln_kv(kv x) + positions, v = ln_kv(kv x))) proj. No residual, no MLP.
//
// Weights: query [Q, E], kv [E, d], ln_q, ln_kv, ln_post, attn.{q,k,v,proj}, proj [E, E] (a normal y = W x), and in 2.0
// pos_q [Q, E]. Source: MiniCPM-V (arXiv 2408.01800), resampler.py of the published checkpoints.
#pragma once

#include "nn/attention.h"

namespace galago {

struct ResamplerConfig {
  int n_queries = 64;
  int d_model = 0;   // E, the width of the language model
  int d_vision = 0;  // d
  int n_heads = 0;   // of d_model / n_heads channels
  float eps = 1e-6f;
};

// x [N, h * w, d] -> [N, Q, E].
Value resampler(const Scope& s, Value x, int64_t h, int64_t w, const ResamplerConfig& c);

}  // namespace galago
