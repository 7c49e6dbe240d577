// nanoVLM of Hugging Face (huggingface/nanoVLM, commit 4e0c096 and tags v0.1, v0.2): a SigLIP tower without class
// token, pixel shuffle and one matrix, and a Llama-type decoder with tied output.
//
// config.json is flat. Versions differ in how picture and text meet: without vlm_extra_tokens (v0.1) the picture's
// tokens come first and the text is "Question: ... Answer:"; with placeholder tokens (v0.2 and later) they replace
// `<|image|>` inside the prompt. galago adds prompt_format "caption": picture, <bos>, then the words to continue, for
// models trained on captions.
#include <algorithm>

#include "base/error.h"
#include "models/config_reader.h"
#include "models/prompt.h"
#include "models/spec_list.h"
#include "nn/conv_stem.h"
#include "nn/vit.h"

namespace galago {
namespace {

struct Config {
  VitConfig vision;
  DecoderConfig text;
  int shuffle = 2, max_context = 8192, max_img_size = 0;
  bool resize_to_max_side = false;
  std::vector<std::string> extra_tokens;  // vlm_extra_tokens: behind the tokenizer's own
  bool has_global = true;                 // a token, and so a view, for the whole picture
  std::string prompt_format;              // "question", "chat", "caption"
  ConvStemConfig stem;                    // no channels: one patch matrix, as published
  int tokens_per_tile() const { return vision.n_patches() / (shuffle * shuffle); }
};

constexpr const char* kGlobalToken = "<|global_image|>";
std::string tile_token(int row, int col) { return fmt::format("<row_{}_col_{}>", row, col); }  // from 1

// In the order of their ids, which is that of the published file and which JSON objects do not keep: the two tokens of
// whole pictures, then r1c1, r1c2 ... r8c8.
std::vector<std::string> read_extra_tokens(const Json& config) {
  Json map = config.value("vlm_extra_tokens", Json());
  if (map.is_null()) return {};
  if (!map.is_object())
    throw invalid_input("config of hf-nanovlm: \"vlm_extra_tokens\" is {}, expected an object", map.type_name());
  std::vector<std::string> tokens;
  auto take = [&](const std::string& key, const Json& token) {
    if (!token.is_string() || token.get_ref<const std::string&>().empty())
      throw invalid_input("config of hf-nanovlm: vlm_extra_tokens: \"{}\" is {}, expected the text of a token", key,
                          token.dump());
    tokens.push_back(token);
  };
  for (const char* key : {"image_token", "global_image_token"})
    if (map.contains(key)) take(key, map[key]), map.erase(key);
  for (const auto& [key, token] : map.items()) take(key, token);
  return tokens;
}

Config read(const Json& json) {
  ConfigReader r(json, "config of hf-nanovlm");
  Config c;
  VitConfig& v = c.vision;
  v.d_model = r.integer("vit_hidden_dim", 8, kMaxWidth);
  v.d_ffn = r.integer("vit_inter_dim", 8, kMaxWidth);
  v.patch_size = r.integer("vit_patch_size", 1, 256);
  v.image_size = r.integer("vit_img_size", 8, kMaxImageSide);
  v.n_heads = r.integer("vit_n_heads", 1, kMaxHeads);
  v.n_blocks = r.integer("vit_n_blocks", 1, kMaxLayers);
  v.eps = r.number("vit_ln_eps", 0, 1, 1e-6);
  v.dropout = r.number("vit_dropout", 0, 0.9, 0);
  v.activation = UnaryKind::GeluTanh;
  if (r.boolean("vit_cls_flag", false))
    throw unsupported("config of hf-nanovlm: vit_cls_flag is true; no published checkpoint uses a class token");
  DecoderConfig& t = c.text;
  t.d_model = r.integer("lm_hidden_dim", 8, kMaxWidth);
  t.d_ffn = r.integer("lm_inter_dim", 8, kMaxWidth);
  t.n_vocab = r.integer("lm_vocab_size", 8, kMaxVocab);
  t.n_heads = r.integer("lm_n_heads", 1, kMaxHeads);
  t.n_kv_heads = r.integer("lm_n_kv_heads", 1, kMaxHeads);
  t.n_blocks = r.integer("lm_n_blocks", 1, kMaxLayers);
  t.eps = r.number("lm_rms_eps", 0, 1, 1e-5);
  t.rope_base = r.number("lm_re_base", 1, 1e12, 100000);
  t.rope_scale = r.number("lm_attn_scaling", 0, 1e3, 1.0);
  t.dropout = r.number("lm_dropout", 0, 0.9, 0);
  c.max_context = r.integer("lm_max_position_embeddings", 1, kMaxContext, 8192);
  c.shuffle = r.integer("mp_pixel_shuffle_factor", 1, 64, 2);
  c.max_img_size = r.integer("max_img_size", 1, kMaxImageSide, 0);
  c.resize_to_max_side = r.boolean("resize_to_max_side_len", false);
  c.extra_tokens = read_extra_tokens(json);
  c.has_global = c.extra_tokens.empty() || std::ranges::count(c.extra_tokens, kGlobalToken) > 0;
  c.prompt_format = r.text("prompt_format", r.has("max_img_size") ? "chat" : "question");
  if (r.text("vit_patch_embed", "conv") == "conv_stem") {
    if (v.patch_size != 16)
      throw invalid_input("config of hf-nanovlm: conv_stem needs vit_patch_size 16, not {}", v.patch_size);
    c.stem = {.patch_size = 16, .channels = {3, 32, 64, 128, 256}, .strides = {2, 2, 2, 2}};
  }
  int grid = v.image_size / v.patch_size;
  if (v.image_size % v.patch_size != 0 || grid % c.shuffle != 0)
    throw invalid_input(
        "config of hf-nanovlm: {} pixels in patches of {} give no grid that mp_pixel_shuffle_factor {} divides",
        v.image_size, v.patch_size, c.shuffle);
  if (int64_t{v.d_model} * c.shuffle * c.shuffle > kMaxWidth)
    throw invalid_input("config of hf-nanovlm: {} channels of {} x {} patches joined; the limit is {}", v.d_model,
                        c.shuffle, c.shuffle, kMaxWidth);
  if (v.d_model % v.n_heads != 0 || t.d_model % t.n_heads != 0 || t.n_heads % t.n_kv_heads != 0 || t.d_head() % 2 != 0)
    throw invalid_input("config of hf-nanovlm: widths {} and {} do not split into {} and {} heads ({} for keys)",
                        v.d_model, t.d_model, v.n_heads, t.n_heads, t.n_kv_heads);
  return c;
}

void vision_block(SpecList& rows, int i, const VitConfig& v) {
  std::string name = fmt::format("vision.blocks.{}", i), ref = fmt::format("vision_encoder.blocks.{}", i);
  rows.layer_norm(name + ".norm1", v.d_model, ref + ".ln1");
  rows.linear(name + ".attn.qkv", 3 * v.d_model, v.d_model, ref + ".attn.qkv_proj", true);
  rows.linear(name + ".attn.proj", v.d_model, v.d_model, ref + ".attn.out_proj", true);
  rows.layer_norm(name + ".norm2", v.d_model, ref + ".ln2");
  rows.linear(name + ".mlp.fc1", v.d_ffn, v.d_model, ref + ".mlp.fc1", true);
  rows.linear(name + ".mlp.fc2", v.d_model, v.d_ffn, ref + ".mlp.fc2", true);
}

void text_block(SpecList& rows, int i, const DecoderConfig& t) {
  std::string name = fmt::format("text.blocks.{}", i), ref = fmt::format("decoder.blocks.{}", i);
  int qkv = (t.n_heads + 2 * t.n_kv_heads) * t.d_head();
  rows.gain(name + ".norm1.weight", t.d_model, ref + ".norm1.weight");
  rows.matrix(name + ".attn.qkv.weight", qkv, t.d_model,
              {ref + ".attn.q_proj.weight", ref + ".attn.k_proj.weight", ref + ".attn.v_proj.weight"});
  rows.last().stored.part_rows = {t.n_heads * t.d_head(), t.n_kv_heads * t.d_head(), t.n_kv_heads * t.d_head()};
  rows.linear(name + ".attn.proj", t.d_model, t.d_model, ref + ".attn.out_proj", false);
  rows.gain(name + ".norm2.weight", t.d_model, ref + ".norm2.weight");
  rows.linear(name + ".mlp.gate", t.d_ffn, t.d_model, ref + ".mlp.gate_proj", false);
  rows.linear(name + ".mlp.up", t.d_ffn, t.d_model, ref + ".mlp.up_proj", false);
  rows.linear(name + ".mlp.down", t.d_model, t.d_ffn, ref + ".mlp.down_proj", false);
}

class HfNanoVlm final : public Model {
 public:
  explicit HfNanoVlm(const Json& json) : json_(json), c_(read(json)) {}

  std::string_view family() const override { return "hf-nanovlm"; }
  const Json& config() const override { return json_; }
  int n_vocab() const override { return c_.text.n_vocab; }
  int d_model() const override { return c_.text.d_model; }
  CacheSpec cache() const override { return {c_.text.n_blocks, c_.text.n_kv_heads, c_.text.d_head(), c_.max_context}; }

  // Pixels are only scaled to [0, 1], although SigLIP was pre-trained on [-1, 1]: so does the published code.
  PictureSpec pictures() const override {
    PictureSpec spec{.tokens_per_tile = c_.tokens_per_tile()};
    spec.slice = {.tile = c_.vision.image_size, .filter = Filter::Bilinear};
    if (c_.max_img_size == 0) return spec;
    spec.policy = "nanovlm";
    spec.slice.max_side = c_.max_img_size;
    spec.slice.resize_to_max_side = c_.resize_to_max_side;
    spec.slice.filter = Filter::Bicubic;
    if (!c_.has_global) spec.slice.thumbnail = SliceOptions::Thumbnail::None;
    return spec;
  }

  std::vector<WeightSpec> weights(Dialect dialect) const override {
    require_reference_names(dialect, family());
    SpecList rows;
    const VitConfig& v = c_.vision;
    const DecoderConfig& t = c_.text;
    const std::string patches = "vision_encoder.patch_embedding";
    if (c_.stem.channels.empty()) {
      rows.table("vision.patch_embed.weight", {v.d_model, 3, v.patch_size, v.patch_size}, {patches + ".conv.weight"});
      rows.bias("vision.patch_embed.bias", v.d_model, {patches + ".conv.bias"});
    } else {
      rows.conv_stem("vision.patch_embed", patches, c_.stem, v.d_model);
    }
    rows.table("vision.pos_embed", {1, v.n_patches(), v.d_model}, {patches + ".position_embedding"});
    for (int i = 0; i < v.n_blocks; ++i) vision_block(rows, i, v);
    rows.layer_norm("vision.norm", v.d_model, "vision_encoder.layer_norm");
    rows.linear("projector", t.d_model, v.d_model * c_.shuffle * c_.shuffle, "MP.proj", false);
    rows.matrix("text.token_embed.weight", t.n_vocab, t.d_model, {"decoder.token_embedding.weight"});
    rows.last().otherwise = {{{"decoder.head.weight"}}};  // tied: files keep one of the two names
    for (int i = 0; i < t.n_blocks; ++i) text_block(rows, i, t);
    rows.gain("text.norm.weight", t.d_model, "decoder.norm.weight");
    return rows.take();
  }

  Value encode_image(const Scope& s, Value pixels) const override {
    Scope vision = s / "vision", embed = vision / "patch_embed";
    Value x =
        c_.stem.channels.empty() ? patch_embed(embed, pixels, c_.vision.patch_size) : conv_stem(embed, pixels, c_.stem);
    x = vit_from_patches(vision, x, c_.vision);   // [N, patches, d_vision]
    x = pixel_shuffle(s.graph(), x, c_.shuffle);  // [N, tokens, d_vision f^2]
    return (s / "projector").named(linear(s / "projector", x), "out");
  }

  Value embed(const Scope& s, Value ids) const override { return embed_tokens(s / "text", ids); }
  Value decode(const Scope& s, Value x, const PositionInfo& at, std::span<const LayerCache> caches) const override {
    return decoder(s / "text", x, c_.text, at, caches);
  }
  Value logits(const Scope& s, Value hidden) const override { return output_logits(s / "text", hidden); }

  std::vector<PromptPiece> prompt(const Tokenizer& tokenizer, const UserTurn& turn) const override {
    if (c_.prompt_format == "caption") return caption_prompt(tokenizer, turn, c_.tokens_per_tile());
    if (c_.prompt_format == "question") return question_prompt(tokenizer, turn);
    return chat_prompt(tokenizer, turn);
  }

  std::vector<std::string> extra_tokens() const override { return c_.extra_tokens; }

  SamplingDefaults sampling() const override {
    if (c_.prompt_format == "caption") return {};
    return {.temperature = 0.5f, .top_k = 50, .top_p = 0.9f};
  }

 private:
  std::vector<PromptPiece> question_prompt(const Tokenizer& tokenizer, const UserTurn& turn) const {
    PromptBuilder b(tokenizer);
    add_pictures(b, turn, c_.tokens_per_tile());
    return b.words("Question: " + joined_text(turn) + " Answer:").take();
  }

  // <|im_start|>user\n [pictures] text <|im_end|>\n<|im_start|>assistant\n, each tile behind its own name token.
  std::vector<PromptPiece> chat_prompt(const Tokenizer& tokenizer, const UserTurn& turn) const {
    PromptBuilder b(tokenizer);
    if (turn.index > 0) b.markup("<|im_end|>\n");
    b.markup("<|im_start|>user\n");
    int n_pictures = count_pictures(turn), picture = 0;
    for (const TurnPart& part : turn.parts) {
      if (!part.picture) continue;
      if (n_pictures > 1) b.markup(fmt::format("<image: {}>", turn.n_pictures_before + picture));
      add_tiles(b, *part.picture, picture++);
    }
    return b.words(joined_text(turn)).markup("<|im_end|>\n<|im_start|>assistant\n").take();
  }

  // The global view comes first; a picture of one tile is its own global view.
  void add_tiles(PromptBuilder& b, const SlicePlan& plan, int picture) const {
    const SliceView& grid = plan.views.back();
    int tile = 0, n_tiles = plan.n_tiles();
    bool has_global = c_.has_global && (n_tiles == 1 || plan.views.size() > 1);
    if (has_global) b.token(kGlobalToken).tile(picture, tile++, c_.tokens_per_tile());
    for (int cell = 0; tile < n_tiles; ++cell)
      b.token(tile_token(cell / grid.cols + 1, cell % grid.cols + 1)).tile(picture, tile++, c_.tokens_per_tile());
  }

  Json json_;
  Config c_;
};

Json make_config(int image, int patch, int vit_d, int vit_ffn, int vit_heads, int vit_blocks, int shuffle, int lm_d,
                 int lm_ffn, int lm_heads, int kv_heads, int lm_blocks, int vocab) {
  return Json{{"model_type", "hf-nanovlm"},
              {"vit_hidden_dim", vit_d},
              {"vit_inter_dim", vit_ffn},
              {"vit_patch_size", patch},
              {"vit_img_size", image},
              {"vit_n_heads", vit_heads},
              {"vit_dropout", 0.0},
              {"vit_n_blocks", vit_blocks},
              {"vit_ln_eps", 1e-6},
              {"vit_cls_flag", false},
              {"lm_hidden_dim", lm_d},
              {"lm_inter_dim", lm_ffn},
              {"lm_rms_eps", 1e-5},
              {"lm_re_base", 100000},
              {"lm_max_position_embeddings", 8192},
              {"lm_vocab_size", vocab},
              {"lm_n_heads", lm_heads},
              {"lm_n_kv_heads", kv_heads},
              {"lm_dropout", 0.0},
              {"lm_n_blocks", lm_blocks},
              {"lm_attn_scaling", 1.0},
              {"lm_tie_weights", true},
              {"mp_pixel_shuffle_factor", shuffle}};
}

Json names_of_tiles() {
  Json tokens = {{"image_token", "<|image|>"}, {"global_image_token", kGlobalToken}};
  for (int r = 1; r <= 8; ++r)
    for (int c = 1; c <= 8; ++c) tokens[fmt::format("r{}c{}", r, c)] = tile_token(r, c);
  return tokens;
}

Json preset(std::string_view size) {
  if (size == "tiny") return make_config(32, 8, 32, 64, 4, 2, 2, 48, 96, 6, 2, 2, 101);
  if (size == "scenes") {  // the captioner this project trains and ships: 64 patches, 16 visual tokens
    Json config = make_config(128, 16, 256, 768, 8, 3, 2, 256, 640, 8, 4, 3, 2048);
    config["prompt_format"] = "caption";
    config["vit_patch_embed"] = "conv_stem";
    config["lm_max_position_embeddings"] = 256;
    return config;
  }
  if (size == "222M") return make_config(224, 16, 768, 3072, 12, 12, 2, 576, 1536, 9, 3, 30, 49152);
  if (size == "450M") return make_config(256, 16, 768, 3072, 12, 12, 2, 960, 2560, 15, 5, 32, 49153);
  Json config;
  if (size == "tiny-tiles") config = make_config(32, 8, 32, 64, 4, 2, 2, 48, 96, 6, 2, 2, 400);
  if (size == "460M") config = make_config(512, 16, 768, 3072, 12, 12, 4, 960, 2560, 15, 5, 32, 49218);
  if (size == "230M") config = make_config(512, 16, 768, 3072, 12, 12, 4, 576, 1536, 9, 3, 30, 49218);
  if (config.is_null()) return config;
  config["max_img_size"] = 4 * config["vit_img_size"].get<int>();
  config["vlm_extra_tokens"] = names_of_tiles();
  return config;
}

}  // namespace

Family hf_nanovlm_family() {
  return {
      .name = "hf-nanovlm",
      .title = "nanoVLM of Hugging Face (huggingface/nanoVLM v0.1 to 2025-10)",
      .recognises =
          [](const Json& config) {
            return config.is_object() && config.contains("vit_hidden_dim") && config.contains("lm_hidden_dim");
          },
      .make = [](const Json& config) -> std::unique_ptr<Model> { return std::make_unique<HfNanoVlm>(config); },
      .preset = preset,
      .presets =
          [] { return std::vector<std::string_view>{"tiny", "tiny-tiles", "scenes", "222M", "450M", "460M", "230M"}; },
      .control_tokens =
          [] {
            return std::vector<std::string_view>{"<|im_start|>", "<|im_end|>"};
          }};
}

}  // namespace galago
