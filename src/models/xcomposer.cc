// InternLM-XComposer2-4KHD (arXiv 2404.06512): CLIP ViT-L/14-336 over up to 55 tiles and a global view, 2 x 2 tokens
// joined, learned vectors behind every row of the picture and between the views, two layers, and InternLM2-7B whose
// matrices have a second, low-rank part that acts on the rows of pictures only.
//
// The published code hard-codes everything but the language model's sizes; config.json here may say them too, under
// galago's own names: vision_config, hd_num, plora_rank, plora_alpha, plora_rank_qkv, plora_alpha_qkv, prompt_format.
//
// Surprises of the published code, kept: the last CLIP block is used, without the final norm; the learned vectors pass
// through the projector like features; rank 8 and factor 2 on wqkv, where the paper says rank 256 everywhere; each text
// behind a picture begins with <s> again.
//
// Sources: InternLM/InternLM-XComposer, build_mlp.py, ixc_utils.py, modeling_internlm2.py; InternLM/lmdeploy,
// vl/model/xcomposer2.py.
#include <algorithm>

#include "base/error.h"
#include "models/language.h"
#include "models/prompt.h"
#include "models/vision.h"
#include "text/chat_template.h"

namespace galago {
namespace {

constexpr const char* kSubject = "config of xcomposer2-4khd";
constexpr int kMerge = 2;  // tokens a side that are joined

struct LowRank {
  int rank = 0;
  float scale = 1;  // alpha / rank
};

// Where pictures, system text and begin tokens stand in a prompt.
enum class Layout {
  Chat,        // chat() of the published model: a system text; every run of text begins with <s>
  Training,    // as the fine-tuning script: <s> once
  Evaluation,  // open-compass/VLMEvalKit: <s>, all pictures, then the turn
};

struct Config {
  VitConfig vision;
  Language text;
  LowRank qkv, other;
  int hd_num = 25;
  Layout layout = Layout::Chat;
  int side() const { return vision.side() / kMerge; }  // tokens a side of one tile
  int d_merged() const { return vision.d_model * kMerge * kMerge; }
};

VitConfig read_vision(const Json& json) {
  static const Json kNone = Json::object();
  ConfigReader r(json.contains("vision_config") ? json["vision_config"] : kNone, "vision_config of xcomposer2-4khd");
  VitConfig c{.image_size = r.integer("image_size", 8, kMaxImageSide, 336),
              .patch_size = r.integer("patch_size", 1, 256, 14),
              .d_model = r.integer("hidden_size", 8, kMaxWidth, 1024),
              .d_ffn = r.integer("intermediate_size", 8, kMaxWidth, 4096),
              .n_heads = r.integer("num_attention_heads", 1, kMaxHeads, 16),
              .n_blocks = r.integer("num_hidden_layers", 1, kMaxLayers, 24)};
  c.eps = r.number("layer_norm_eps", 0, 1, 1e-5);
  c.class_token = c.drop_class_token = c.pre_norm = true;
  c.final_norm = false;
  c.activation = UnaryKind::QuickGelu;
  if (c.d_model % c.n_heads != 0 || c.image_size % (c.patch_size * kMerge) != 0)
    throw invalid_input(
        "{}: vision tower of {} channels in {} heads, {} pixels in patches of {}; neither may leave a "
        "rest, and patches are joined in pairs",
        kSubject, c.d_model, c.n_heads, c.image_size, c.patch_size);
  return c;
}

LowRank read_low_rank(const ConfigReader& r, const char* rank_field, const char* alpha_field, int usual_rank,
                      double usual_alpha) {
  int rank = r.integer(rank_field, 1, kMaxWidth, usual_rank);
  return {rank, r.number(alpha_field, 1e-3, 1e6, usual_alpha) / static_cast<float>(rank)};
}

Layout read_layout(const ConfigReader& r) {
  std::string name = r.text("prompt_format", "chat");
  if (name == "chat") return Layout::Chat;
  if (name == "training") return Layout::Training;
  if (name == "evaluation") return Layout::Evaluation;
  throw invalid_input("{}: prompt_format is \"{}\"; expected chat, training or evaluation", kSubject, name);
}

// The other models that share this model_type: XComposer2 and -VL hold 4096 tokens, 2.5 scales its positions.
void require_4khd(const Json& json, const ConfigReader& r) {
  bool scaled = json.contains("rope_scaling") && !json["rope_scaling"].is_null();
  if (scaled || r.integer("max_length", 1, kMaxContext, 16384) < 16384)
    throw unsupported(
        "{}: max_length {}, rope_scaling {}: this is another InternLM-XComposer2; galago runs 4KHD, "
        "whose max_length is 16384 and whose rope_scaling is null",
        kSubject, r.integer("max_length", 1, kMaxContext, 16384), scaled ? json["rope_scaling"].dump() : "null");
  if (r.boolean("bias", false)) throw unsupported("{}: bias is true; no published checkpoint has any", kSubject);
}

Config read(const Json& json) {
  ConfigReader r(json, kSubject);
  require_4khd(json, r);
  Config c{.vision = read_vision(json)};
  Json text = json;
  text["model_type"] = "internlm2";
  c.text = read_language(text, kSubject);
  c.text.max_context = std::min(c.text.max_context, r.integer("max_length", 1, kMaxContext, 16384));
  c.qkv = read_low_rank(r, "plora_rank_qkv", "plora_alpha_qkv", 8, 16);
  c.other = read_low_rank(r, "plora_rank", "plora_alpha", 256, 256);
  c.hd_num = r.integer("hd_num", 1, 512, 25);
  c.layout = read_layout(r);
  return c;
}

// Both halves of one partial LoRA; the factor alpha / rank is folded into the second.
void low_rank_rows(SpecList& rows, const std::string& name, int64_t n_out, int64_t n_in, const std::string& part,
                   const LowRank& lora) {
  rows.matrix(name + ".plora_a", lora.rank, n_in, {part + ".Plora_A.weight"});
  rows.matrix(name + ".plora_b", n_out, lora.rank, {part + ".Plora_B.weight"});
  rows.last().stored.scale = 1 / lora.scale;
}

void low_rank_block_rows(SpecList& rows, const Config& c, int i) {
  const DecoderConfig& t = c.text.decoder;
  std::string name = fmt::format("text.blocks.{}", i), part = fmt::format("model.layers.{}", i);
  for (char which : {'q', 'k', 'v'}) {  // one packed matrix in the file: they share A and split B
    int heads = which == 'q' ? t.n_heads : t.n_kv_heads;
    low_rank_rows(rows, name + ".attn." + which, heads * t.d_head(), t.d_model, part + ".attention.wqkv", c.qkv);
    rows.last().stored.rows = grouped_rows(which, t.n_heads, t.n_kv_heads, t.d_head());
    rows.last().stored.stored_rows = (t.n_heads + 2 * t.n_kv_heads) * t.d_head();
  }
  low_rank_rows(rows, name + ".attn.proj", t.d_model, t.n_heads * t.d_head(), part + ".attention.wo", c.other);
  low_rank_rows(rows, name + ".mlp.gate", t.d_ffn, t.d_model, part + ".feed_forward.w1", c.other);
  low_rank_rows(rows, name + ".mlp.up", t.d_ffn, t.d_model, part + ".feed_forward.w3", c.other);
  low_rank_rows(rows, name + ".mlp.down", t.d_model, t.d_ffn, part + ".feed_forward.w2", c.other);
}

// The rows of a picture in reading order: the global view, the separator, then the tiles as one map, read across tiles;
// each row of either ends with the newline.
class Raster {
 public:
  Raster(const SlicePlan& plan, int side) : side_(side), newline_(plan.n_tiles() * side * side) {
    CHECK(plan.views.size() == 2 && plan.views[0].n_tiles() == 1, "xcomposer plans have a global view and tiles");
    add_map(0, 1, 1);
    rows_.push_back(newline_ + 1);
    add_map(1, plan.views[1].rows, plan.views[1].cols);
  }
  std::vector<int32_t> take() { return std::move(rows_); }

 private:
  void add_map(int first_tile, int tile_rows, int tile_cols) {
    for (int row = 0; row < tile_rows * side_; ++row) {
      for (int col = 0; col < tile_cols * side_; ++col) {
        int tile = first_tile + row / side_ * tile_cols + col / side_;
        rows_.push_back((tile * side_ + row % side_) * side_ + col % side_);
      }
      rows_.push_back(newline_);
    }
  }

  int side_, newline_;
  std::vector<int32_t> rows_;
};

// One turn as runs of text and pictures. Marks are found in template text only: they are ordinary pieces of this
// vocabulary, so encode_chat keeps them out of the user's words.
class TurnWriter {
 public:
  TurnWriter(const Tokenizer& tokenizer, Layout layout, int side, bool at_start)
      : tokenizer_(tokenizer), builder_(tokenizer), layout_(layout), side_(side), next_has_bos_(at_start) {}

  void begin() {  // a begin token of its own
    builder_.begin();
    next_has_bos_ = layout_ == Layout::Chat;
  }
  void markup(std::string_view text) { text_.push_back({std::string(text), true}); }
  void words(std::string_view text) { text_.push_back({std::string(text), false}); }
  void picture(const SlicePlan& plan) {
    flush();
    builder_.rows(n_pictures_++, Raster(plan, side_).take());
    next_has_bos_ = layout_ == Layout::Chat;
  }
  std::vector<PromptPiece> take() {
    flush();
    return builder_.take();
  }

 private:
  void flush() {
    bool empty = std::all_of(text_.begin(), text_.end(), [](const TextPiece& piece) { return piece.text.empty(); });
    if (!empty) {
      builder_.ids(encode_chat(tokenizer_, chat_template("xcomposer2"), text_, next_has_bos_));
      next_has_bos_ = false;
    }
    text_.clear();
  }

  const Tokenizer& tokenizer_;
  PromptBuilder builder_;
  Layout layout_;
  int side_;
  bool next_has_bos_;
  int n_pictures_ = 0;
  std::vector<TextPiece> text_;
};

class XComposer final : public Model {
 public:
  explicit XComposer(const Json& json) : json_(json), c_(read(json)) {}

  std::string_view family() const override { return "xcomposer2-4khd"; }
  const Json& config() const override { return json_; }
  int n_vocab() const override { return c_.text.decoder.n_vocab; }
  int d_model() const override { return c_.text.decoder.d_model; }
  CacheSpec cache() const override { return cache_of(c_.text); }

  PictureSpec pictures() const override {  // mean and deviation of CLIP
    PictureSpec spec{.policy = "xcomposer",
                     .mean = {0.48145466f, 0.4578275f, 0.40821073f},
                     .std = {0.26862954f, 0.26130258f, 0.27577711f},
                     .tokens_per_tile = c_.side() * c_.side()};
    spec.slice = {.tile = c_.vision.image_size, .filter = Filter::Bilinear, .max_tiles = c_.hd_num};
    return spec;
  }

  std::vector<WeightSpec> weights(Dialect dialect) const override {
    require_reference_names(dialect, family());
    SpecList rows;
    int wide = c_.d_merged(), d = d_model();
    vision_rows(rows, c_.vision, kClipNames, "vit.vision_tower.vision_model.");
    rows.table("projector.newline", {1, 1, 1, wide}, {"plora_sub_GN"});
    rows.table("projector.separator", {1, 1, wide}, {"plora_glb_GN"});
    rows.linear("projector.fc1", d, wide, "vision_proj.0", true);
    rows.linear("projector.fc2", d, d, "vision_proj.2", true);
    language_rows(rows, c_.text, dialect, "");
    for (int i = 0; i < c_.text.decoder.n_blocks; ++i) low_rank_block_rows(rows, c_, i);
    return rows.take();
  }

  Value encode_image(const Scope& s, Value pixels) const override {
    Value x = pixel_shuffle(s.graph(), vit(s / "vision", pixels, c_.vision), kMerge);  // [N, tokens, 4 d_vision]
    Scope p = s / "projector";
    return p.named(project(p, p.named(x, "merged")), "out");
  }

  // Newline, then separator.
  Value extra_rows(const Scope& s) const override {
    Scope p = s / "projector";
    auto row = [&](const char* name) { return reshape(s.graph(), p.weight(name), {1, c_.d_merged()}); };
    return project(p, concat(s.graph(), std::vector<Value>{row("newline"), row("separator")}, 0));
  }

  Value embed(const Scope& s, Value ids) const override { return embed_tokens(s / "text", ids); }
  Value decode(const Scope& s, Value x, const PositionInfo& at, std::span<const LayerCache> caches) const override {
    return decoder(s / "text", x, c_.text.decoder, at, caches);
  }
  Value logits(const Scope& s, Value hidden) const override { return output_logits(s / "text", hidden); }

  std::vector<PromptPiece> prompt(const Tokenizer& tokenizer, const UserTurn& turn) const override {
    const ChatTemplate& chat = chat_template("xcomposer2");
    TurnWriter w(tokenizer, c_.layout, c_.side(), turn.index == 0);
    bool pictures_first = c_.layout == Layout::Evaluation;
    turn.index == 0 ? open(w, turn, chat) : w.markup(chat.assistant.after);
    if (pictures_first) add_pictures(w, turn);
    w.markup(chat.user.before);
    for (const TurnPart& part : turn.parts) {
      if (!part.picture) w.words(part.text);
      if (part.picture && !pictures_first) w.picture(*part.picture);
    }
    w.markup(chat.user.after);
    w.markup(chat.generation);
    return w.take();
  }

  SamplingDefaults sampling() const override {
    return {.temperature = 1, .top_p = 0.8f, .repeat_penalty = 1.005f, .max_new_tokens = 1024};
  }
  std::vector<std::string> stop_strings() const override { return {std::string(chat_template("xcomposer2").stop)}; }

 private:
  Value project(const Scope& s, Value x) const { return s.named(mlp(s, x, {.activation = UnaryKind::GeluErf}), "out"); }

  // What stands before the first turn. Without pictures chat() writes <s> itself, and the tokenizer adds its own.
  void open(TurnWriter& w, const UserTurn& turn, const ChatTemplate& chat) const {
    if (c_.layout == Layout::Evaluation || (c_.layout == Layout::Chat && count_pictures(turn) == 0)) w.begin();
    std::string_view system = turn.system;
    if (system.empty() && c_.layout == Layout::Chat) system = chat.default_system;
    if (system.empty()) return;
    w.markup(chat.system.before);
    w.words(system);
    w.markup(chat.system.after);
  }

  static void add_pictures(TurnWriter& w, const UserTurn& turn) {
    for (const TurnPart& part : turn.parts)
      if (part.picture) w.picture(*part.picture);
  }

  Json json_;
  Config c_;
};

Json preset(std::string_view size) {
  Json common{{"model_type", "internlmxcomposer2"},
              {"bias", false},
              {"max_length", 16384},
              {"max_position_embeddings", 32768},
              {"rms_norm_eps", 1e-5},
              {"rope_scaling", nullptr},
              {"rope_theta", 1000000},
              {"tie_word_embeddings", false}};
  if (size == "7b") {
    common.update({{"hidden_size", 4096},
                   {"intermediate_size", 14336},
                   {"num_attention_heads", 32},
                   {"num_hidden_layers", 32},
                   {"num_key_value_heads", 8},
                   {"vocab_size", 92544}});
    return common;
  }
  if (size != "tiny") return nullptr;
  common.update({{"hidden_size", 64},
                 {"intermediate_size", 128},
                 {"num_attention_heads", 4},
                 {"num_hidden_layers", 3},
                 {"num_key_value_heads", 2},
                 {"vocab_size", 97},
                 {"hd_num", 9},
                 {"plora_rank_qkv", 2},
                 {"plora_alpha_qkv", 4},
                 {"plora_rank", 4},
                 {"plora_alpha", 4},
                 {"vision_config",
                  {{"hidden_size", 32},
                   {"intermediate_size", 64},
                   {"num_attention_heads", 4},
                   {"num_hidden_layers", 2},
                   {"image_size", 56},
                   {"patch_size", 14}}}});
  return common;
}

}  // namespace

Family xcomposer_family() {
  return {.name = "xcomposer2-4khd",
          .title = "InternLM-XComposer2-4KHD (arXiv 2404.06512)",
          .recognises = [](const Json& config) { return model_type(config) == "internlmxcomposer2"; },
          .make = [](const Json& config) -> std::unique_ptr<Model> { return std::make_unique<XComposer>(config); },
          .preset = preset,
          .presets =
              [] {
                return std::vector<std::string_view>{"tiny", "7b"};
              }};
}

}  // namespace galago
