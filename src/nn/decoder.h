// One causal decoder for all systems: norm kind, gated or plain MLP, rotary or learned positions, grouped queries, tied
// or separate output matrix are options.
//
// Weights: token_embed.weight [V, d], pos_embed.weight [n_positions, d] (learned positions), blocks.{i}.*, norm,
// head.{weight,bias} (head absent = tied to token_embed).
#pragma once

#include <span>

#include "nn/block.h"

namespace galago {

struct DecoderConfig {
  int n_vocab = 0;
  int d_model = 0;
  int d_ffn = 0;
  int n_blocks = 0;
  int n_heads = 0;
  int n_kv_heads = 0;
  NormKind norm = NormKind::Rms;
  float eps = 1e-5f;
  MlpOptions mlp{.gated = true, .activation = UnaryKind::Silu};
  float attention_scale = 0;  // 0 = 1 / sqrt(d_head)
  bool residual_from_norm = false;
  int n_positions = 0;  // > 0: learned positions of that many rows; 0: rotary
  float rope_base = 10000;
  float rope_scale = 1;  // multiplies cos and sin
  float dropout = 0;
  int d_head() const { return d_model / n_heads; }
};

Value embed_tokens(const Scope& s, Value ids);  // i32 [B, T] -> [B, T, d]

// x [B, T, d] -> hidden states after the final norm [B, T, d]. caches: one a block, or empty.
Value decoder(const Scope& s, Value x, const DecoderConfig& c, const PositionInfo& at,
              std::span<const LayerCache> caches = {});

Value output_logits(const Scope& s, Value hidden);  // [B, T, d] -> [B, T, V]

}  // namespace galago
