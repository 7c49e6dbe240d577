// Self-attention with every option the nine systems need so far. Weights: qkv [(H + 2G) D, d] (rows: all q, all k, all
// v), or q, k and v apart; q_norm and k_norm [D] where asked for; proj [d, H D]; each with or without bias. Latent
// attention: nn/latent_attention.h in place of q, k and v.
#pragma once

#include <optional>
#include <vector>

#include "nn/latent_attention.h"

namespace galago {

// One layer's key/value cache [1, n_ctx, n_kv_heads, d_head or d_value]; undefined members mean: no cache.
struct LayerCache {
  StateRef key, value;
  int n_context = 0;  // tokens that tables of positions are made for, where that is not n_ctx
};

// Where the tokens of this call stand. With a cache, `past` (i32 [1]) rows are already in it; `positions` (i32 [T] or
// [B, T]) feed rotary or learned positions and are only needed by models that have these.
struct PositionInfo {
  Value past = {};
  Value positions = {};
  Value picture_rows = {};  // i32 [n]: which of the T places hold rows of pictures; invalid: none (batch of 1)
};

// Of each query and key head, before the rotation; RmsAll: of all queries, and all keys, before they become heads.
enum class HeadNorm { None, Layer, Rms, RmsAll };

struct AttentionConfig {
  int n_heads = 1;
  int n_kv_heads = 1;
  int d_head = 0;
  float scale = 0;  // 0 = 1 / sqrt(d_head)
  bool causal = false;
  bool rotary = false;
  RopeAttrs rope = {};
  std::vector<float> rope_factors = {};  // divide the inverse frequencies (longrope); empty: ones
  HeadNorm head_norm = HeadNorm::None;
  float head_norm_eps = 1e-5f;
  std::optional<LatentConfig> latent = {};  // d_head is its own, n_kv_heads = n_heads
};

// x [B, T, d] -> [B, T, d].
Value self_attention(const Scope& s, Value x, const AttentionConfig& c, const PositionInfo& at = {},
                     const LayerCache* cache = nullptr);

// How much attention keys [first, first + n) get from the queries behind them: the mean over these queries and all
// heads of the softmax of causal self-attention. x [1, T, d], first + n < T -> [n]. A matrix of T x T is never made.
Value received_attention(const Scope& s, Value x, const AttentionConfig& c, const PositionInfo& at, int64_t first,
                         int64_t n);

// Queries from x [B, T, d] or [T, d] broadcast over B, keys from `keys` [B, S, dk], values from `values` [B, S, dv]:
// the resampler's and Q-Former's cross-attention, no mask. Weights q, k, v, proj. -> [B, T, d_out].
Value cross_attention(const Scope& s, Value x, Value keys, Value values, const AttentionConfig& c);

}  // namespace galago
