// One vision transformer for all systems: options, not copies. Pre-norm blocks over patches, with or without a class
// token, for pictures of one size or of any.
//
// Weights: patch_embed.{weight,bias}, cls_token [1, 1, d], pos_embed [1, tokens, d] (class token first), pre_norm,
// blocks.{i}.{norm1,attn,norm2,mlp.fc1,mlp.fc2,ls1,ls2}, norm. Attention as in nn/attention.h.
#pragma once

#include "nn/attention.h"

namespace galago {

// How the position table meets a picture of h x w patches.
enum class VitPositions {
  Table,        // as it is: only the size it was made for
  Antialiased,  // resampled to h x w by Pillow's bicubic kernel in floats (timm: resample_abs_pos_embed)
  Bicubic,      // by torch's bicubic, a = -0.75, without antialiasing (InternVL, EVA)
  Buckets,      // SigLIP NaViT: the row of patch (y, x) of a table of S x S is (bucket(y, h), bucket(x, w))
  Strip,        // MiniCPM-V 2.5: patch j of L stands at bucket(j, L) of the first row
};

struct VitConfig {
  int image_size = 224;  // pixels a side that the position table was made for
  int patch_size = 16;
  int d_model = 768;
  int d_ffn = 3072;
  int n_heads = 12;
  int n_blocks = 12;
  float eps = 1e-6f;
  bool class_token = false;
  bool norm_class_only = false;   // the final norm sees the class token only, which is then the whole result [N, 1, d]
  bool drop_class_token = false;  // from the result
  bool pre_norm = false;          // layer norm "pre_norm" before the first block (CLIP)
  bool final_norm = true;
  VitPositions positions = VitPositions::Table;
  UnaryKind activation = UnaryKind::GeluErf;
  NormKind norm = NormKind::Layer;  // of the blocks
  HeadNorm head_norm = HeadNorm::None;
  bool qkv_bias = true;
  bool layer_scale = false;         // the checkpoint must have ls1 and ls2; otherwise it may
  float attention_scale = 0;        // 0 = 1 / sqrt(d_head)
  bool residual_from_norm = false;  // y = norm2(x); y + mlp(y) instead of x + mlp(norm2(x)) (seemore)
  float dropout = 0;                // after the position table, attention and MLP; only in training programs
  int side() const { return image_size / patch_size; }  // patches a side of the table
  int n_patches() const { return side() * side(); }
  int n_tokens() const { return n_patches() + (class_token ? 1 : 0); }
};

// pixels [N, 3, H, W] -> [N, tokens, d], or [N, 1, d] with norm_class_only.
Value vit(const Scope& s, Value pixels, const VitConfig& c);
// The same from embedded patches [N, h * w, d], for models with a patch embedding of their own.
Value vit_from_patches(const Scope& s, Value patches, const VitConfig& c);  // of the size of the table
Value vit_from_patches(const Scope& s, Value patches, int64_t h, int64_t w, const VitConfig& c);

// Position ids of NaViT towers, bit for bit as torch computes them in float32 (minicpm-v.md section 4.4).
int64_t position_bucket(int64_t i, int64_t n, int64_t side);

}  // namespace galago
