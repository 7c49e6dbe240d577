// One vision transformer for all systems: options, not copies. Pre-norm blocks over patches, with or without a class
// token.
//
// Weights: patch_embed.{weight,bias}, cls_token [1, 1, d], pos_embed [1, tokens, d] (class token first),
// blocks.{i}.{norm1,attn.qkv,attn.proj,norm2,mlp.fc1,mlp.fc2}, norm.
#pragma once

#include "nn/attention.h"

namespace galago {

struct VitConfig {
  int image_size = 224;  // pixels a side
  int patch_size = 16;
  int d_model = 768;
  int d_ffn = 3072;
  int n_heads = 12;
  int n_blocks = 12;
  float eps = 1e-6f;
  bool class_token = false;
  bool norm_class_only = false;  // the final norm sees the class token only, which is then the whole result [N, 1, d]
  UnaryKind activation = UnaryKind::GeluErf;
  float attention_scale = 0;        // 0 = 1 / sqrt(d_head)
  bool residual_from_norm = false;  // y = norm2(x); y + mlp(y) instead of x + mlp(norm2(x)) (seemore)
  float dropout = 0;                // after the position table, attention and MLP; only in training programs
  int n_patches() const { return (image_size / patch_size) * (image_size / patch_size); }
  int n_tokens() const { return n_patches() + (class_token ? 1 : 0); }
};

// pixels [N, 3, image_size, image_size] -> [N, tokens, d], or [N, 1, d] with norm_class_only.
Value vit(const Scope& s, Value pixels, const VitConfig& c);
// The same from embedded patches [N, patches, d], for models with a patch embedding of their own.
Value vit_from_patches(const Scope& s, Value patches, const VitConfig& c);

}  // namespace galago
