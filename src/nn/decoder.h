// One causal decoder for all systems: norm kind, gated or plain MLP or experts, parallel block, rotary (whole, partial,
// longrope) or learned positions, grouped queries, MiniCPM's scales, tied or separate output matrix are options.
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
  int head_width = 0;  // 0 = d_model / n_heads
  NormKind norm = NormKind::Rms;
  float eps = 1e-5f;
  MlpOptions mlp{.gated = true, .activation = UnaryKind::Silu};
  float attention_scale = 0;  // 0 = 1 / sqrt(d_head)
  bool residual_from_norm = false;
  int n_positions = 0;  // > 0: learned positions of that many rows; 0: rotary
  float rope_base = 10000;
  float rope_scale = 1;  // multiplies cos and sin
  int n_rotary = 0;      // channels of a head that turn; 0 = all
  // Positions beyond the length of training. The table is the one for a text as long as the whole context: the rows of
  // the cache, or the sequence where there is none.
  std::vector<float> rope_factors = {};       // divide the inverse frequencies
  std::vector<float> rope_long_factors = {};  // .. in contexts of more than rope_trained; empty: the same
  float rope_dynamic = 0;  // > 0: dynamic NTK: the base grows with a context of more than rope_trained
  int rope_trained = 0;
  float dropout = 0;
  bool parallel = false, shared_norm = false;
  float attention_rms_norm = 0;
  HeadNorm head_norm = HeadNorm::None;
  float head_norm_eps = 1e-5f;
  std::optional<LatentConfig> latent = {};  // with head_width and n_rotary as it says
  // MiniCPM (arXiv 2404.06395, Table 7): what embeddings, both branches and hidden states before the output matrix are
  // multiplied by.
  float embed_scale = 1, residual_scale = 1, logit_scale = 1;
  int d_head() const { return head_width > 0 ? head_width : d_model / n_heads; }
  int n_turning() const { return n_rotary > 0 ? n_rotary : d_head(); }
  // base (f n / m - (f - 1))^(d / (d - 2)) for n > m tokens, m = rope_trained, f = rope_dynamic, d = n_turning.
  float rope_base_for(int64_t n_context) const;
};

Value embed_tokens(const Scope& s, Value ids);                          // i32 [B, T] -> [B, T, d]
Value embed_tokens(const Scope& s, Value ids, const DecoderConfig& c);  // scaled

// x [B, T, d] -> hidden states after the final norm (times logit_scale) [B, T, d]. caches: one a block, or empty.
Value decoder(const Scope& s, Value x, const DecoderConfig& c, const PositionInfo& at,
              std::span<const LayerCache> caches = {});

// received_attention (nn/attention.h) of block `layer`, from the same x; blocks behind it are not run.
Value decoder_received_attention(const Scope& s, Value x, const DecoderConfig& c, const PositionInfo& at, int layer,
                                 int64_t first, int64_t n);

Value output_logits(const Scope& s, Value hidden);  // [B, T, d] -> [B, T, V]

}  // namespace galago
