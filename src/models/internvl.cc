// InternVL2 with InternLM2 (InternVL2-2B; arXiv 2404.16821 and 2312.14238) and Mini-Monkey (arXiv 2408.02034), which
// has the same tensors and differs in how a picture is cut: InternViT with layer scale and without a final norm, 2 x 2
// patches joined to one token, a projector of two matrices, the decoder. Mini-Monkey may leave out half of the detailed
// tiles' tokens, which the decoder's own second block chooses (SCM; runtime/token_pruning.h).
//
// Surprises of the published code, kept: the norm in the projector has eps 1e-5, those of the tower 1e-6; a config
// without ps_version means transposed tokens; one <img> ... </img> holds all tiles, with nothing between them.
#include <cmath>

#include "base/error.h"
#include "models/language.h"
#include "models/prompt.h"
#include "models/vision.h"

namespace galago {
namespace {

const char kSubject[] = "config of internvl";
const char kSystem[] =
    "你是由上海人工智能实验室联合商汤科技开发的书生多模态大模型，英文名叫InternVL, 是一个有用无害的人工智能助手。";

// Which of the detailed tiles' tokens stay (Mini-Monkey's scale compression mechanism).
struct Compression {
  bool on = false;
  float keep_ratio = 0.5f;
  int score_layer = 1;     // its attention chooses; counted from 0
  bool fix_offset = true;  // false: the published code, which drops the token behind the detailed ones too
};

struct Config {
  VitConfig vision;
  Language text;
  int tile = 448, factor = 2;  // pixels a side; patches a side of one token
  bool transposed = false;     // ps_version v1
  std::string policy;
  SliceOptions slice;
  Compression compression;
  std::string system;
  int tokens_per_tile() const {
    int side = tile / vision.patch_size / factor;
    return side * side;
  }
};

const Json& part(const Json& json, const char* field) {
  auto found = json.find(field);
  if (found == json.end() || !found->is_object())
    throw invalid_input("{}: {}: expected an object of fields", kSubject, field);
  return *found;
}

// One of the words; its place among them.
int choice(const ConfigReader& r, const char* field, std::initializer_list<std::string_view> words) {
  std::string found = r.text(field, std::string(*words.begin()));
  int i = 0;
  for (std::string_view word : words) {
    if (found == word) return i;
    ++i;
  }
  throw unsupported("{}: {} is \"{}\"; galago knows {}", kSubject, field, found, fmt::join(words, ", "));
}

VitConfig read_vision(const Json& json) {
  ConfigReader r(json, "vision_config of internvl");
  VitConfig c{.class_token = true, .drop_class_token = true, .final_norm = false};
  c.image_size = r.integer("image_size", 8, kMaxImageSide, 448);
  c.patch_size = r.integer("patch_size", 1, 256, 14);
  c.d_model = r.integer("hidden_size", 8, kMaxWidth);
  c.d_ffn = r.integer("intermediate_size", 8, kMaxWidth);
  c.n_heads = r.integer("num_attention_heads", 1, kMaxHeads);
  c.n_blocks = r.integer("num_hidden_layers", 1, kMaxLayers);
  c.eps = r.number("layer_norm_eps", 0, 1, 1e-6);
  c.norm = choice(r, "norm_type", {"layer_norm", "rms_norm"}) == 0 ? NormKind::Layer : NormKind::Rms;
  c.head_norm = r.boolean("qk_normalization", false) ? HeadNorm::RmsAll : HeadNorm::None;
  c.qkv_bias = r.boolean("qkv_bias", true);
  c.layer_scale = true;
  c.positions = VitPositions::Bicubic;
  choice(r, "hidden_act", {"gelu"});
  check_vision(c, kSubject);
  return c;
}

// "galago_slicing": "minimonkey", or an object with "policy" and what differs from the policy's usual numbers. Both
// models have the same config.json otherwise, so one without it is cut as InternVL cuts.
void read_slicing(const Json& json, const ConfigReader& r, Config& c) {
  static const Json kNone = Json::object();
  auto found = json.find("galago_slicing");
  bool given = found != json.end() && !found->is_null();
  Json fields = !given ? kNone : found->is_string() ? Json{{"policy", *found}} : *found;
  ConfigReader own(fields, std::string(kSubject) + ": galago_slicing");
  bool monkey = choice(own, "policy", {"internvl", "minimonkey"}) == 1;
  c.policy = monkey ? "minimonkey" : "internvl";
  SliceOptions& o = c.slice = find_slicing_policy(c.policy).usual;
  o.tile = c.tile;
  if (!monkey) {
    bool dynamic = r.boolean("dynamic_image_size", true);
    o.min_tiles = dynamic ? r.integer("min_dynamic_patch", 1, kMaxPlanTiles, 1) : 1;
    o.max_tiles = dynamic ? r.integer("max_dynamic_patch", 1, kMaxPlanTiles, 12) : 1;
    if (!r.boolean("use_thumbnail", true)) o.thumbnail = SliceOptions::Thumbnail::None;
  }
  o.min_tiles = own.integer("min_tiles", 1, kMaxPlanTiles, o.min_tiles);
  o.max_tiles = own.integer("max_tiles", 1, kMaxPlanTiles, o.max_tiles);
  if (!monkey) return;
  o.adaptive_min_tiles = own.integer("adaptive_min_tiles", 1, kMaxPlanTiles, o.adaptive_min_tiles);
  o.adaptive_max_tiles = own.integer("adaptive_max_tiles", 1, kMaxPlanTiles, o.adaptive_max_tiles);
  o.keep = choice(own, "keep", {"or", "and"}) == 0 ? SliceOptions::Keep::Or : SliceOptions::Keep::And;
  o.order = SliceOptions::Order(choice(own, "order", {"detailed", "adaptive", "detailed-global-adaptive"}));
  o.training = own.boolean("training", false);
}

// "galago_scm": true, or an object.
void read_compression(const Json& json, Config& c) {
  auto found = json.find("galago_scm");
  if (found == json.end() || found->is_null() || *found == false) return;
  Json fields = *found == true ? Json::object() : *found;
  ConfigReader r(fields, std::string(kSubject) + ": galago_scm");
  c.compression = {.on = true,
                   .keep_ratio = r.number("keep_ratio", 0, 1, 0.5),
                   .score_layer = r.integer("score_layer", 0, c.text.decoder.n_blocks - 1, 1),
                   .fix_offset = r.boolean("fix_offset", true)};
  if (c.policy != "minimonkey" || c.slice.order == SliceOptions::Order::AdaptiveFirst)
    throw invalid_input(
        "{}: galago_scm leaves out tokens of the detailed tiles; it needs galago_slicing with the "
        "policy minimonkey and the detailed tiles first",
        kSubject);
}

void check_sizes(const Config& c, double ratio) {
  bool whole = std::abs(c.factor * ratio - 1) < 1e-6;
  if (!whole || c.tile % (c.vision.patch_size * c.factor) != 0)
    throw invalid_input("{}: tiles of {} pixels in patches of {} do not join by downsample_ratio {}", kSubject, c.tile,
                        c.vision.patch_size, ratio);
  if (int64_t{c.vision.d_model} * c.factor * c.factor > kMaxWidth)
    throw invalid_input("{}: {} channels of {} x {} patches joined; the limit is {}", kSubject, c.vision.d_model,
                        c.factor, c.factor, kMaxWidth);
}

// What the reference can do and galago does not.
void check_supported(const Json& json, const ConfigReader& r) {
  choice(r, "template", {"internlm2-chat"});
  if (r.integer("select_layer", -kMaxLayers, kMaxLayers, -1) != -1)
    throw unsupported("{}: select_layer: only -1, the last block's output, is known", kSubject);
  if (r.boolean("pad2square", false)) throw unsupported("{}: pad2square is not known", kSubject);
  if (ConfigReader(part(json, "llm_config"), "llm_config of internvl").boolean("bias", false))
    throw unsupported("{}: llm_config: bias: InternLM2 with biases is not known", kSubject);
}

Config read(const Json& json) {
  ConfigReader r(json, kSubject);
  check_supported(json, r);
  Config c;
  c.vision = read_vision(part(json, "vision_config"));
  c.text = read_language(part(json, "llm_config"), "llm_config of internvl");
  c.tile = r.integer("force_image_size", 8, kMaxImageSide, c.vision.image_size);
  double ratio = r.number("downsample_ratio", 1.0 / 64, 1, 0.5);
  c.factor = static_cast<int>(std::lround(1 / ratio));
  c.transposed = choice(r, "ps_version", {"v1", "v2"}) == 0;
  check_sizes(c, ratio);
  read_slicing(json, r, c);
  read_compression(json, c);
  c.system = r.text("system_message", kSystem);
  return c;
}

void projector_rows(SpecList& rows, const Config& c, const std::string& prefix) {
  int wide = c.vision.d_model * c.factor * c.factor, width = c.text.decoder.d_model;
  rows.layer_norm("projector.norm", wide, prefix + "0");
  rows.linear("projector.fc1", width, wide, prefix + "1", true);
  rows.linear("projector.fc2", width, width, prefix + "3", true);
}

// [N, s * s, c] with rows and columns of the grid exchanged.
Value transpose_grid(Graph& g, Value tokens, int64_t side) {
  Shape shape = g.shape(tokens);
  Value grid = permute(g, reshape(g, tokens, {shape[0], side, side, shape[2]}), {0, 2, 1, 3});
  return reshape(g, grid, shape);
}

class InternVl final : public Model {
 public:
  explicit InternVl(const Json& json) : json_(json), c_(read(json)) {}

  std::string_view family() const override { return "internvl"; }
  const Json& config() const override { return json_; }
  int n_vocab() const override { return c_.text.decoder.n_vocab; }
  int d_model() const override { return c_.text.decoder.d_model; }
  CacheSpec cache() const override { return cache_of(c_.text); }

  PictureSpec pictures() const override {
    return {.policy = c_.policy,
            .slice = c_.slice,
            .mean = {0.485f, 0.456f, 0.406f},
            .std = {0.229f, 0.224f, 0.225f},
            .tokens_per_tile = c_.tokens_per_tile()};
  }

  std::vector<WeightSpec> weights(Dialect dialect) const override {
    SpecList rows;
    bool gguf = dialect == Dialect::LlamaCpp;
    vision_rows(rows, c_.vision, gguf ? kGgufVisionNames : kInternVitNames, gguf ? "" : "vision_model.");
    projector_rows(rows, c_, gguf ? "mm.model.mlp." : "mlp1.");
    language_rows(rows, c_.text, dialect, gguf ? "" : "language_model.");
    return rows.take();
  }

  Value encode_image(const Scope& s, Value pixels) const override {
    Graph& g = s.graph();
    Scope p = s / "projector";
    Value x = pixel_shuffle(g, vit(s / "vision", pixels, c_.vision), c_.factor);
    if (c_.transposed) x = transpose_grid(g, x, c_.tile / c_.vision.patch_size / c_.factor);
    x = layer_norm(p / "norm", p.named(x, "joined"), 1e-5f);
    return p.named(mlp(p, x, {.activation = UnaryKind::GeluErf}), "out");
  }

  Value embed(const Scope& s, Value ids) const override { return embed_tokens(s / "text", ids, c_.text.decoder); }
  Value decode(const Scope& s, Value x, const PositionInfo& at, std::span<const LayerCache> caches) const override {
    return decoder(s / "text", x, c_.text.decoder, at, caches);
  }
  Value logits(const Scope& s, Value hidden) const override { return output_logits(s / "text", hidden); }

  TokenPruning pruning(const SlicePlan& plan) const override {
    if (!c_.compression.on || plan.views.front().name != "detailed") return {};
    int n = plan.views.front().n_tiles() * c_.tokens_per_tile();
    return {n, static_cast<int>(c_.compression.keep_ratio * static_cast<float>(n)), !c_.compression.fix_offset};
  }
  Value importance(const Scope& s, Value x, const PositionInfo& at, int64_t first, int64_t n) const override {
    return decoder_received_attention(s / "text", x, c_.text.decoder, at, c_.compression.score_layer, first, n);
  }

  // The template internlm2-chat: no newline behind <|im_end|>.
  std::vector<PromptPiece> prompt(const Tokenizer& tokenizer, const UserTurn& turn) const override {
    PromptBuilder b(tokenizer);
    if (turn.index == 0) {
      b.begin().markup("<|im_start|>system\n");
      turn.system.empty() ? b.markup(c_.system) : b.words(turn.system);
    }
    b.markup("<|im_end|><|im_start|>user\n");
    content(b, turn);
    return b.markup("<|im_end|><|im_start|>assistant\n").take();
  }
  SamplingDefaults sampling() const override { return {.max_new_tokens = 512}; }
  std::vector<std::string> stop_strings() const override { return {"<|im_end|>", "<|im_start|>"}; }

 private:
  // A picture ends its line, as the reference's `<image>\n` does.
  void content(PromptBuilder& b, const UserTurn& turn) const {
    int picture = 0;
    for (size_t i = 0; i < turn.parts.size(); ++i) {
      const TurnPart& part = turn.parts[i];
      if (!part.picture) {
        b.words(part.text);
        continue;
      }
      b.markup("<img>").tiles(picture++, part.picture->n_tiles(), c_.tokens_per_tile()).markup("</img>");
      if (i + 1 < turn.parts.size()) b.markup("\n");
    }
  }

  Json json_;
  Config c_;
};

Json vision_json(int d, int ffn, int heads, int blocks, int image, int patch) {
  return {{"model_type", "intern_vit_6b"},
          {"hidden_size", d},
          {"intermediate_size", ffn},
          {"num_attention_heads", heads},
          {"num_hidden_layers", blocks},
          {"image_size", image},
          {"patch_size", patch},
          {"hidden_act", "gelu"},
          {"norm_type", "layer_norm"},
          {"layer_norm_eps", 1e-6},
          {"qkv_bias", true},
          {"qk_normalization", false}};
}

Json text_json(int d, int ffn, int blocks, int heads, int kv_heads, int vocab, int context) {
  return {{"model_type", "internlm2"},
          {"hidden_size", d},
          {"intermediate_size", ffn},
          {"num_hidden_layers", blocks},
          {"num_attention_heads", heads},
          {"num_key_value_heads", kv_heads},
          {"vocab_size", vocab},
          {"max_position_embeddings", context},
          {"rms_norm_eps", 1e-5},
          {"rope_theta", 1000000.0},
          {"rope_scaling", {{"type", "dynamic"}, {"factor", 2.0}}},
          {"tie_word_embeddings", false}};
}

Json whole_json(Json vision, Json text) {
  return {{"model_type", "internvl_chat"},
          {"downsample_ratio", 0.5},
          {"dynamic_image_size", true},
          {"force_image_size", vision["image_size"]},
          {"use_thumbnail", true},
          {"min_dynamic_patch", 1},
          {"max_dynamic_patch", 12},
          {"select_layer", -1},
          {"ps_version", "v2"},
          {"template", "internlm2-chat"},
          {"vision_config", std::move(vision)},
          {"llm_config", std::move(text)}};
}

Json preset(std::string_view size) {
  Json config;
  if (size.starts_with("tiny"))
    config = whole_json(vision_json(32, 64, 4, 2, 56, 14), text_json(64, 128, 3, 4, 2, 320, 4096));
  else
    config = whole_json(vision_json(1024, 4096, 16, 24, 448, 14), text_json(2048, 8192, 24, 16, 8, 92553, 32768));
  if (size == "tiny-minimonkey" || size == "minimonkey-2b") config["galago_slicing"] = "minimonkey";
  if (size == "tiny-minimonkey") config["galago_scm"] = true;
  if (size == "tiny-6b")  // what InternViT-6B has: norms without mean, also of queries and keys, no biases
    config["vision_config"].update({{"norm_type", "rms_norm"}, {"qk_normalization", true}, {"qkv_bias", false}});
  bool known =
      size == "tiny" || size == "tiny-minimonkey" || size == "tiny-6b" || size == "2b" || size == "minimonkey-2b";
  return known ? config : Json(nullptr);
}

Json vision_json_from_gguf(const GgufFile& file) {
  VitConfig v = vision_config_from_gguf(file);
  Json json = vision_json(v.d_model, v.d_ffn, v.n_heads, v.n_blocks, v.image_size, v.patch_size);
  json["layer_norm_eps"] = v.eps;
  json["norm_type"] = file.has("v.blk.0.ln1.bias") ? "layer_norm" : "rms_norm";
  json["qkv_bias"] = file.has("v.blk.0.attn_q.bias");
  json["qk_normalization"] = file.has("v.blk.0.attn_q_norm.weight");
  return json;
}

// Newer InternVLs come with other language models and other prompts.
Json from_gguf(const GgufFile& text, const GgufFile* vision) {
  if (!vision || vision->get_string("clip.projector_type", "") != "internvl") return nullptr;
  std::string arch(text.get_string("general.architecture", ""));
  if (arch != "internlm2")
    throw unsupported("{}: an InternVL whose language model {} is of architecture {}; galago runs those with internlm2",
                      vision->path(), text.path(), arch);
  const GgufTensor* out = vision->find_tensor("mm.model.mlp.3.weight");
  Json config = whole_json(vision_json_from_gguf(*vision), language_config_from_gguf(text));
  int64_t width = config["llm_config"]["hidden_size"];
  if (!out || out->shape.rank() != 2 || out->shape[0] != width)
    throw invalid_input("{}: gives embeddings of width {}, the language model {} has {}; they do not belong together",
                        vision->path(), out ? out->shape[0] : 0, text.path(), width);
  auto key = [&](const char* name, int64_t fallback) {
    return vision->get_count(std::string("clip.vision.") + name, 1, kMaxPlanTiles, fallback);
  };
  config["downsample_ratio"] = 1.0 / static_cast<double>(key("projector.scale_factor", 2));
  config["min_dynamic_patch"] = key("preproc_min_tiles", 1);
  config["max_dynamic_patch"] = key("preproc_max_tiles", 12);
  return config;
}

}  // namespace

Family internvl_family() {
  return {.name = "internvl",
          .title = "InternVL2-2B, Mini-Monkey (arXiv 2408.02034)",
          .recognises = [](const Json& config) { return model_type(config) == "internvl_chat"; },
          .make = [](const Json& config) -> std::unique_ptr<Model> { return std::make_unique<InternVl>(config); },
          .preset = preset,
          .presets =
              [] {
                return std::vector<std::string_view>{"tiny", "tiny-minimonkey", "tiny-6b", "2b", "minimonkey-2b"};
              },
          .from_gguf = from_gguf};
}

}  // namespace galago
