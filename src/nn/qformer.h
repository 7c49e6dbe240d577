// The Q-Former (BLIP-2, arXiv 2301.12597; salesforce/LAVIS, Qformer.py): a BERT whose tokens are learned queries. Every
// block attends to the queries themselves, every `cross_every`-th one then to the picture too; norms stand behind each
// residual. Only the path of the queries: no text, no masks.
//
// Weights: query [1, Q, d], norm, blocks.{i}.{attn, attn_norm, cross, cross_norm, mlp.fc1, mlp.fc2, mlp_norm}; attn and
// cross are q, k, v, proj as in nn/attention.h.
#pragma once

#include "nn/attention.h"

namespace galago {

struct QFormerConfig {
  int n_queries = 32;
  int d_model = 768;
  int d_ffn = 3072;
  int n_heads = 12;
  int n_blocks = 12;
  int d_vision = 1408;  // width of the picture's tokens
  int cross_every = 2;  // blocks 0, 2, 4 ... attend to the picture
  float eps = 1e-12f;
  bool crosses(int block) const { return block % cross_every == 0; }
};

// picture [N, tokens, d_vision] -> [N, Q, d].
Value qformer(const Scope& s, Value picture, const QFormerConfig& c);

}  // namespace galago
