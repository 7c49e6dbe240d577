#include "models/vision.h"

#include "base/error.h"

namespace galago {

const VisionNames kSiglipNames{.patch_embed = "embeddings.patch_embedding",
                               .pos_embed = "embeddings.position_embedding.weight",
                               .norm = "post_layernorm",
                               .block = "encoder.layers.{}.",
                               .norm1 = "layer_norm1",
                               .norm2 = "layer_norm2",
                               .q = "self_attn.q_proj",
                               .k = "self_attn.k_proj",
                               .v = "self_attn.v_proj",
                               .proj = "self_attn.out_proj",
                               .fc1 = "mlp.fc1",
                               .fc2 = "mlp.fc2"};
const VisionNames kClipNames{.patch_embed = "embeddings.patch_embedding",
                             .cls_token = "embeddings.class_embedding",
                             .pos_embed = "embeddings.position_embedding.weight",
                             .pre_norm = "pre_layrnorm",  // spelled so
                             .norm = "post_layernorm",
                             .block = "encoder.layers.{}.",
                             .norm1 = "layer_norm1",
                             .norm2 = "layer_norm2",
                             .q = "self_attn.q_proj",
                             .k = "self_attn.k_proj",
                             .v = "self_attn.v_proj",
                             .proj = "self_attn.out_proj",
                             .fc1 = "mlp.fc1",
                             .fc2 = "mlp.fc2",
                             .patch_bias = false};
const VisionNames kTimmNames{.patch_embed = "patch_embed.proj",
                             .cls_token = "cls_token",
                             .pos_embed = "pos_embed",
                             .norm = "norm",
                             .block = "blocks.{}.",
                             .norm1 = "norm1",
                             .norm2 = "norm2",
                             .qkv = "attn.qkv",
                             .proj = "attn.proj",
                             .fc1 = "mlp.fc1",
                             .fc2 = "mlp.fc2"};
const VisionNames kInternVitNames{.patch_embed = "embeddings.patch_embedding",
                                  .cls_token = "embeddings.class_embedding",
                                  .pos_embed = "embeddings.position_embedding",
                                  .block = "encoder.layers.{}.",
                                  .norm1 = "norm1",
                                  .norm2 = "norm2",
                                  .ls1 = "ls1",
                                  .ls2 = "ls2",
                                  .qkv = "attn.qkv",
                                  .proj = "attn.proj",
                                  .q_norm = "attn.q_norm",
                                  .k_norm = "attn.k_norm",
                                  .fc1 = "mlp.fc1",
                                  .fc2 = "mlp.fc2"};
const VisionNames kGgufVisionNames{.patch_embed = "v.patch_embd",
                                   .cls_token = "v.class_embd",
                                   .pos_embed = "v.position_embd.weight",
                                   .pre_norm = "v.pre_ln",
                                   .norm = "v.post_ln",
                                   .block = "v.blk.{}.",
                                   .norm1 = "ln1",
                                   .norm2 = "ln2",
                                   .ls1 = "ls1.weight",
                                   .ls2 = "ls2.weight",
                                   .q = "attn_q",
                                   .k = "attn_k",
                                   .v = "attn_v",
                                   .proj = "attn_out",
                                   .q_norm = "attn_q_norm",
                                   .k_norm = "attn_k_norm",
                                   .fc1 = "ffn_up",
                                   .fc2 = "ffn_down"};

namespace {

void block_rows(SpecList& rows, const VitConfig& c, const VisionNames& n, const std::string& prefix, int i) {
  std::string name = fmt::format("vision.blocks.{}", i), block = prefix + fmt::format(fmt::runtime(n.block), i);
  auto part = [&](std::string_view own) { return block + std::string(own); };
  int d = c.d_model;
  auto norm = [&](const char* own, std::string_view stored) {
    if (c.norm == NormKind::Layer) return rows.layer_norm(name + own, d, part(stored));
    rows.gain(name + own + std::string(".weight"), d, part(stored) + ".weight");
  };
  norm(".norm1", n.norm1);
  for (int which = 0; which < 3; ++which) {  // apart in the graph, whatever the file does
    std::string_view apart[] = {n.q, n.k, n.v};
    rows.linear(name + ".attn." + "qkv"[which], d, d, part(n.qkv.empty() ? apart[which] : n.qkv), c.qkv_bias);
    if (!n.qkv.empty()) rows.packed(int64_t{which} * d, int64_t{3} * d);
  }
  if (c.head_norm == HeadNorm::RmsAll) {
    rows.gain(name + ".attn.q_norm.weight", d, part(n.q_norm) + ".weight");
    rows.gain(name + ".attn.k_norm.weight", d, part(n.k_norm) + ".weight");
  }
  rows.linear(name + ".attn.proj", d, d, part(n.proj), true);
  norm(".norm2", n.norm2);
  rows.linear(name + ".mlp.fc1", c.d_ffn, d, part(n.fc1), true);
  rows.or_else({part(n.fc2)});
  rows.linear(name + ".mlp.fc2", d, c.d_ffn, part(n.fc2), true);
  rows.or_else({part(n.fc1)});
  for (std::string_view scale : {n.ls1, n.ls2})
    if (!scale.empty()) {
      rows.gain(name + (scale == n.ls1 ? ".ls1" : ".ls2"), d, part(scale));
      rows.last().optional = !c.layer_scale;
    }
}

}  // namespace

void vision_rows(SpecList& rows, const VitConfig& c, const VisionNames& n, const std::string& prefix) {
  auto part = [&](std::string_view own) { return prefix + std::string(own); };
  int d = c.d_model, p = c.patch_size;
  rows.table("vision.patch_embed.weight", {d, 3, p, p}, {part(n.patch_embed) + ".weight"});
  if (n.patch_bias) rows.bias("vision.patch_embed.bias", d, {part(n.patch_embed) + ".bias"});
  if (c.class_token) rows.table("vision.cls_token", {1, 1, d}, {part(n.cls_token)});
  rows.table("vision.pos_embed", {1, c.n_tokens(), d}, {part(n.pos_embed)});
  if (c.pre_norm) rows.layer_norm("vision.pre_norm", d, part(n.pre_norm));
  for (int i = 0; i < c.n_blocks; ++i) block_rows(rows, c, n, prefix, i);
  if (c.final_norm) rows.layer_norm("vision.norm", d, part(n.norm));
}

void check_vision(const VitConfig& c, const std::string& subject) {
  if (c.n_blocks < 1 || c.d_model % c.n_heads != 0)
    throw invalid_input("{}: vision tower of {} blocks, {} channels in {} heads", subject, c.n_blocks, c.d_model,
                        c.n_heads);
  if (c.image_size < c.patch_size)
    throw invalid_input("{}: vision tower for {} pixels a side in patches of {}; expected at least one patch", subject,
                        c.image_size, c.patch_size);
  if (int64_t{c.n_blocks} * c.d_model > kMaxRows)
    throw invalid_input("{}: vision tower of {} blocks of {} channels; the limit is {} channels in all", subject,
                        c.n_blocks, c.d_model, kMaxRows);
}

VitConfig vision_config_from_gguf(const GgufFile& file) {
  VitConfig c;
  auto count = [&](const char* key, int64_t low, int64_t high) {
    return static_cast<int>(file.get_count(std::string("clip.vision.") + key, low, high));
  };
  c.image_size = count("image_size", 8, kMaxImageSide);
  c.patch_size = count("patch_size", 1, 1024);
  c.d_model = count("embedding_length", 8, kMaxWidth);
  c.d_ffn = count("feed_forward_length", 8, kMaxWidth);
  c.n_heads = count("attention.head_count", 1, kMaxHeads);
  c.eps = file.get_f32("clip.vision.attention.layer_norm_epsilon", 1e-6f);
  c.class_token = file.has("v.class_embd");
  c.pre_norm = file.has("v.pre_ln.weight");
  c.final_norm = file.has("v.post_ln.weight");
  for (c.n_blocks = 0; file.has(fmt::format("v.blk.{}.ln1.weight", c.n_blocks)); ++c.n_blocks) {
  }
  check_vision(c, file.path());
  return c;
}

}  // namespace galago
