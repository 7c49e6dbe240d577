// NanoVLMs (arXiv 2502.07838): a small ViT whose class token becomes ONE visual token in front of a small decoder,
// trained from scratch to continue child-like picture descriptions. Sizes mini, base and large of the paper's Table 1.
//
// The paper leaves much open; its published sizes and wording match a scaled-up AviSoori1x/seemore (2024-05), so that
// layout is the default: projector Linear(D, 4D), GELU, Linear(4D, d); learned positions for 1000 places. Its two
// quirks are options: attn_scale "embd" (scores times width^-0.5 instead of d_head^-0.5) and ffn_residual "normed" (the
// second residual starts from the normalised value). Options after the paper's text: patch_embed "two_conv_patch" /
// "two_conv_image" and projector "linear_gelu".
#include <cmath>

#include "base/error.h"
#include "models/config_reader.h"
#include "models/prompt.h"
#include "models/spec_list.h"
#include "nn/conv_stem.h"
#include "nn/vit.h"

namespace galago {
namespace {

constexpr float kEps = 1e-5f;
constexpr int kPositions = 1000;

struct Config {
  VitConfig vision;
  DecoderConfig text;
  std::string patch_embed, projector;
  int grid() const { return vision.image_size / vision.patch_size; }
};

Config read(const Json& json) {
  ConfigReader r(json, "config of nanovlms");
  Config c;
  VitConfig& v = c.vision;
  v.image_size = r.integer("image_size", 16, 1024, 224);
  v.patch_size = r.integer("patch_size", 4, 64, 16);
  v.d_model = r.integer("img_embd_dim", 8, 8192);
  v.n_blocks = r.integer("n_blks", 1, kMaxLayers);
  v.n_heads = r.integer("n_head", 1, 256);
  v.d_ffn = 4 * v.d_model;
  v.eps = kEps;
  v.class_token = v.norm_class_only = true;
  DecoderConfig& t = c.text;
  t.d_model = r.integer("n_embd", 8, 8192);
  t.n_blocks = r.integer("n_layer", 1, kMaxLayers);
  t.n_heads = t.n_kv_heads = v.n_heads;
  t.d_ffn = 4 * t.d_model;
  t.n_vocab = r.integer("vocab_size", 8, kMaxVocab);
  t.norm = NormKind::Layer;
  t.eps = kEps;
  t.mlp = {.gated = false, .activation = UnaryKind::GeluErf};
  t.n_positions = r.integer("n_positions", 2, kMaxContext, kPositions);
  v.dropout = t.dropout = r.number("dropout", 0, 0.9, 0.0);
  if (v.image_size % v.patch_size != 0)
    throw invalid_input("config of nanovlms: image_size {} is not a multiple of patch_size {}", v.image_size,
                        v.patch_size);
  if (v.d_model % v.n_heads != 0 || t.d_model % t.n_heads != 0)
    throw invalid_input("config of nanovlms: widths {} and {} must be multiples of n_head {}", v.d_model, t.d_model,
                        v.n_heads);
  bool embd_scale = r.text("attn_scale", "head") == "embd";
  if (embd_scale) v.attention_scale = 1 / std::sqrt(static_cast<float>(v.d_model));
  if (embd_scale) t.attention_scale = 1 / std::sqrt(static_cast<float>(t.d_model));
  v.residual_from_norm = t.residual_from_norm = r.text("ffn_residual", "pre") == "normed";
  c.patch_embed = r.text("patch_embed", "conv16");
  c.projector = r.text("projector", "seemore");
  return c;
}

// A block of the reference keeps one matrix a head and part: blocks.{i}.attn.heads.{h}.{query,key,value}.weight.
void block_rows(SpecList& rows, const std::string& name, const std::string& ref, int width, int n_heads) {
  std::vector<std::string> qkv;
  for (const char* part : {"query", "key", "value"})
    for (int h = 0; h < n_heads; ++h) qkv.push_back(fmt::format("{}.attn.heads.{}.{}.weight", ref, h, part));
  rows.layer_norm(name + ".norm1", width, ref + ".ln1");
  rows.matrix(name + ".attn.qkv.weight", 3 * width, width, qkv);
  rows.linear(name + ".attn.proj", width, width, ref + ".attn.proj", true);
  rows.layer_norm(name + ".norm2", width, ref + ".ln2");
  rows.linear(name + ".mlp.fc1", 4 * width, width, ref + ".ffn.0", true);
  rows.linear(name + ".mlp.fc2", width, 4 * width, ref + ".ffn.2", true);
}

// The convolutions in front of the blocks; channels are ours, none are published. Empty for conv16.
ConvStemConfig conv_options(const Config& c) {
  int patch = c.vision.patch_size;
  if (c.patch_embed == "conv16") return {};
  if (c.patch_embed == "two_conv_patch")
    return {.patch_size = patch, .channels = {3, 32, 64}, .strides = {1, 2}, .each_patch_alone = true};
  if (c.patch_embed != "two_conv_image")
    throw invalid_input("config of nanovlms: patch_embed is \"{}\", expected conv16, two_conv_patch or two_conv_image",
                        c.patch_embed);
  if (patch != 16) throw invalid_input("config of nanovlms: two_conv_image needs patch_size 16, not {}", patch);
  return {.patch_size = patch, .channels = {3, 32, 64, 128, 256, 256}, .strides = {1, 2, 2, 2, 2}};
}

void patch_rows(SpecList& rows, const Config& c) {
  const std::string name = "vision.patch_embed", ref = "vision_encoder.patch_embedding";
  int d = c.vision.d_model, p = c.vision.patch_size;
  if (c.patch_embed != "conv16") return rows.conv_stem(name, ref, conv_options(c), d);
  rows.table(name + ".weight", {d, 3, p, p}, {ref + ".conv.weight"});
  rows.bias(name + ".bias", d, {ref + ".conv.bias"});
}

class NanoVlms final : public Model {
 public:
  explicit NanoVlms(const Json& json) : json_(json), c_(read(json)) { conv_options(c_); }

  std::string_view family() const override { return "nanovlms"; }
  const Json& config() const override { return json_; }
  int n_vocab() const override { return c_.text.n_vocab; }
  int d_model() const override { return c_.text.d_model; }
  CacheSpec cache() const override {
    return {c_.text.n_blocks, c_.text.n_kv_heads, c_.text.d_head(), c_.text.n_positions};
  }

  PictureSpec pictures() const override {
    PictureSpec spec{.mean = {0.485f, 0.456f, 0.406f}, .std = {0.229f, 0.224f, 0.225f}};
    spec.slice = {.tile = c_.vision.image_size, .filter = Filter::Bilinear};
    return spec;
  }

  std::vector<WeightSpec> weights(Dialect dialect) const override {
    require_reference_names(dialect, family());
    SpecList rows;
    int D = c_.vision.d_model, d = c_.text.d_model, vocab = c_.text.n_vocab;
    patch_rows(rows, c_);
    rows.table("vision.cls_token", {1, 1, D}, {"vision_encoder.cls_token"});
    rows.table("vision.pos_embed", {1, c_.vision.n_tokens(), D}, {"vision_encoder.pos_embedding"});
    for (int i = 0; i < c_.vision.n_blocks; ++i)
      block_rows(rows, fmt::format("vision.blocks.{}", i), fmt::format("vision_encoder.blocks.{}", i), D,
                 c_.vision.n_heads);
    rows.layer_norm("vision.norm", D, "vision_encoder.layer_norm");
    const std::string projection = "decoder.image_projection.net";
    int hidden = c_.projector == "seemore" ? 4 * D : d;
    rows.linear("projector.fc1", hidden, D, projection + ".0", true);
    if (c_.projector == "seemore") rows.linear("projector.fc2", d, hidden, projection + ".2", true);
    rows.matrix("text.token_embed.weight", vocab, d, {"decoder.token_embedding_table.weight"});
    rows.table("text.pos_embed.weight", {c_.text.n_positions, d}, {"decoder.position_embedding_table.weight"});
    for (int i = 0; i < c_.text.n_blocks; ++i)
      block_rows(rows, fmt::format("text.blocks.{}", i), fmt::format("decoder.blocks.{}", i), d, c_.text.n_heads);
    rows.layer_norm("text.norm", d, "decoder.ln_f");
    rows.linear("text.head", vocab, d, "decoder.lm_head", true);
    return rows.take();
  }

  Value encode_image(const Scope& s, Value pixels) const override {
    Graph& g = s.graph();
    Scope vision = s / "vision";
    Scope embed = vision / "patch_embed";
    Value patches = c_.patch_embed == "conv16" ? patch_embed(embed, pixels, c_.vision.patch_size)
                                               : conv_stem(embed, pixels, conv_options(c_));
    Value x = vit_from_patches(vision, patches, c_.vision);  // [N, 1, D]
    x = unary(g, linear(s / "projector" / "fc1", x), UnaryKind::GeluErf);
    if (c_.projector == "seemore") x = linear(s / "projector" / "fc2", x);
    return (s / "projector").named(dropout(g, x, c_.vision.dropout), "out");  // [N, 1, d]
  }

  Value embed(const Scope& s, Value ids) const override { return embed_tokens(s / "text", ids); }
  Value decode(const Scope& s, Value x, const PositionInfo& at, std::span<const LayerCache> caches) const override {
    return decoder(s / "text", x, c_.text, at, caches);
  }
  Value logits(const Scope& s, Value hidden) const override { return output_logits(s / "text", hidden); }

  std::vector<PromptPiece> prompt(const Tokenizer& tokenizer, const UserTurn& turn) const override {
    if (count_pictures(turn) != 1)
      throw invalid_input("nanovlms continues the description of exactly one picture; {} given", count_pictures(turn));
    return caption_prompt(tokenizer, turn, 1);
  }

 private:
  Json json_;
  Config c_;
};

// Table 1 of the paper; V = 8,000 for all.
Json preset(std::string_view size) {
  auto make = [](int n_blks, int n_layer, int n_head, int n_embd, int img_embd_dim) {
    return Json{{"model_type", "nanovlms"},  {"n_blks", n_blks}, {"n_layer", n_layer},
                {"n_head", n_head},          {"n_embd", n_embd}, {"img_embd_dim", img_embd_dim},
                {"image_size", 224},         {"patch_size", 16}, {"vocab_size", 8000},
                {"n_positions", kPositions}, {"dropout", 0.1}};
  };
  if (size == "mini") return make(1, 4, 8, 96, 400);
  if (size == "base") return make(3, 8, 8, 128, 512);
  if (size == "large") return make(5, 10, 16, 192, 512);
  if (size != "tiny") return nullptr;
  Json tiny = make(2, 2, 4, 24, 32);
  tiny["image_size"] = 32;
  tiny["vocab_size"] = 53;
  tiny["dropout"] = 0.0;
  return tiny;
}

}  // namespace

Family nanovlms_family() {
  return {.name = "nanovlms",
          .title = "NanoVLMs mini / base / large (arXiv 2502.07838)",
          .recognises = [](const Json& config) { return model_type(config) == "nanovlms"; },
          .make = [](const Json& config) -> std::unique_ptr<Model> { return std::make_unique<NanoVlms>(config); },
          .preset = preset,
          .presets =
              [] {
                return std::vector<std::string_view>{"tiny", "mini", "base", "large"};
              }};
}

}  // namespace galago
