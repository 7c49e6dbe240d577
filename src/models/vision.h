// Names of vision towers: one row set for every ViT, spelled as the reference or llama.cpp spells it.
#pragma once

#include <string>

#include "models/config_reader.h"
#include "models/spec_list.h"
#include "nn/vit.h"

namespace galago {

// All names without the block's prefix; empty: the tower has no such weight.
struct VisionNames {
  std::string_view patch_embed, cls_token, pos_embed, pre_norm, norm;
  std::string_view block;                   // "encoder.layers.{}."
  std::string_view norm1, norm2, ls1, ls2;  // ls: layer scale
  std::string_view q, k, v, qkv, proj;      // q, k, v or qkv
  std::string_view q_norm, k_norm;          // of all heads at once (InternViT-6B)
  std::string_view fc1, fc2;
  bool patch_bias = true;
};

extern const VisionNames kSiglipNames;      // transformers: SigLIP, NaViT
extern const VisionNames kClipNames;        // transformers: CLIP ViT
extern const VisionNames kTimmNames;        // timm: packed qkv
extern const VisionNames kInternVitNames;   // InternVL: packed qkv, layer scale
extern const VisionNames kGgufVisionNames;  // mmproj of llama.cpp

// The weights "vision.*"; `prefix` stands before every name of the reference. In mmproj files fc1 and fc2 may be
// exchanged (legacy converters); their shapes tell.
void vision_rows(SpecList& rows, const VitConfig& c, const VisionNames& names, const std::string& prefix);

// Patches of the largest tiles that a position table for pictures of any size is asked for.
inline constexpr int kMaxPatchesASide = 2048;

// Keys clip.vision.* of an mmproj file; block_count is what the tensors say, not the key (2024 files are off by one).
// Throws InvalidInput where channels do not split into heads, no patch fits, or blocks and width together are too much.
void check_vision(const VitConfig& c, const std::string& subject);

VitConfig vision_config_from_gguf(const GgufFile& file);

}  // namespace galago
