// The transformer block of ViT and Decoder. Sequential: x += attn(norm1 x); x += mlp(norm2 x). Parallel (Phi,
// GPT-NeoX): x += attn(norm1 x) + mlp(norm2 x), where norm2 may be norm1.
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
  bool parallel = false;
  bool shared_norm = false;      // parallel: the MLP reads norm1 too (Phi)
  float attention_rms_norm = 0;  // > 0: eps of an RMS norm "attn_norm" behind attention (TinyGPT-V)
};

// Weights: norm1, attn.{qkv | q,k,v; proj}, norm2, mlp, and where the checkpoint has them ls1 and ls2 [d], which scale
// the branches (InternViT). x [B, T, d] -> [B, T, d], named "<block>.out".
Value transformer_block(const Scope& s, Value x, const BlockConfig& c, const PositionInfo& at = {},
                        const LayerCache* cache = nullptr);

}  // namespace galago
