// The pre-norm transformer block of ViT and Decoder: x += attn(norm1 x); x += mlp(norm2 x).
#pragma once

#include "nn/attention.h"

namespace galago {

struct BlockConfig {
  NormKind norm = NormKind::Layer;
  float eps = 1e-5f;
  AttentionConfig attention;
  MlpOptions mlp;
  bool residual_from_norm = false;  // seemore's second residual starts from the normalised value
  float residual_scale = 1;         // depth scale of MiniCPM
  float dropout = 0;                // on both branches
};

// Weights: norm1, attn.{qkv,proj}, norm2, mlp. x [B, T, d] -> [B, T, d], named "<block>.out".
Value transformer_block(const Scope& s, Value x, const BlockConfig& c, const PositionInfo& at = {},
                        const LayerCache* cache = nullptr);

}  // namespace galago
