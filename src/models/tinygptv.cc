// TinyGPT-V (arXiv 2312.16862; DLYuanGod/TinyGPT-V): BLIP-2's EVA-ViT-g and Q-Former, MiniGPT-4's projection with one
// more matrix behind it, and Phi-2 with three added norms: layer norms of query and key heads, an RMS norm behind
// attention. All four training stages; the files are the business of tinygptv_files.cc.
//
// Surprises of the published code, kept: the key has no bias; every token of the tower goes on, without a final norm;
// at 448 pixels the position table of 224 is stretched by torch's bicubic; nothing stands between the two projections;
// the prompt has no begin token although training has one.
#include <numeric>

#include "base/error.h"
#include "models/language.h"
#include "models/prompt.h"
#include "models/tinygptv_files.h"
#include "models/vision.h"
#include "nn/qformer.h"

namespace galago {
namespace {

const char kSubject[] = "config of tinygpt-v";
constexpr float kPictureNormEps = 1e-5f;  // ln_vision

// Texts around pictures and words. Later turns repeat open and close.
struct PromptTemplate {
  std::string_view name, system, open, close;
};
constexpr PromptTemplate kTemplates[] = {
    {"human", "", "###Human: ", "###Assistant: "},
    {"human_train", "", "###Human: ", " ###Assistant: "},
    {"human_sys",
     "Give the following image: <Img>ImageContent</Img>. You will be able to see the image once I provide it to you. "
     "Please answer my questions.",
     "###Human: ", "###Assistant: "},
    {"inst", "", "<s>[INST] ", " [/INST]"},
    {"inst_train", "", "[INST] ", "  [/INST]"},
    {"instruct", "", "Instruct: ", " /n Output: "},  // "/n" as it stands in the published file
};

const PromptTemplate& find_template(const std::string& name) {
  for (const PromptTemplate& t : kTemplates)
    if (t.name == name) return t;
  throw invalid_input(
      "{}: \"prompt_template\" is {}; there are human, human_train, human_sys, inst, inst_train, instruct", kSubject,
      name);
}

struct Config {
  int stage = 4;
  int image_size = 448;  // pixels a side that a picture is resized to
  const PromptTemplate* prompt = nullptr;
  VitConfig vision;
  QFormerConfig qformer;
  int d_projector = 4096;  // between the two projections: the width of Vicuna-7B, where the first comes from
  Language text;
};

const Json& part(const Json& json, const char* name) {
  static const Json kNone = Json::object();
  return json.contains(name) ? json[name] : kNone;
}

VitConfig read_vision(const Json& json) {
  ConfigReader r(json, "vision_config of tinygpt-v");
  VitConfig c;
  c.patch_size = r.integer("patch_size", 1, 256, 14);
  c.image_size = r.integer("image_size", c.patch_size, kMaxImageSide, 224);
  c.d_model = r.integer("hidden_size", 8, kMaxWidth, 1408);
  c.n_heads = r.integer("num_attention_heads", 1, kMaxHeads, 16);
  c.n_blocks = r.integer("num_hidden_layers", 1, kMaxLayers, 39);  // BLIP-2 leaves the 40th out
  c.d_ffn = r.integer("intermediate_size", 8, kMaxWidth, static_cast<int64_t>(c.d_model * 4.3637));
  c.eps = r.number("layer_norm_eps", 0, 1, 1e-6);
  c.class_token = true;
  c.final_norm = false;
  c.positions = VitPositions::Bicubic;
  check_vision(c, kSubject);
  return c;
}

QFormerConfig read_qformer(const Json& json, int d_vision) {
  ConfigReader r(json, "qformer_config of tinygpt-v");
  QFormerConfig c;
  c.n_queries = r.integer("num_query_tokens", 1, 4096, 32);
  c.d_model = r.integer("hidden_size", 8, kMaxWidth, 768);
  c.n_heads = r.integer("num_attention_heads", 1, kMaxHeads, 12);
  c.n_blocks = r.integer("num_hidden_layers", 1, kMaxLayers, 12);
  c.d_ffn = r.integer("intermediate_size", 8, kMaxWidth, 3072);
  c.cross_every = r.integer("cross_attention_frequency", 1, kMaxLayers, 2);
  c.eps = r.number("layer_norm_eps", 0, 1, 1e-12);
  c.d_vision = d_vision;
  if (c.d_model % c.n_heads != 0)
    throw invalid_input("{}: a Q-Former of {} channels in {} heads", kSubject, c.d_model, c.n_heads);
  return c;
}

Json phi2_json() {
  return {{"model_type", "phi"},         {"hidden_size", 2560},
          {"num_hidden_layers", 32},     {"num_attention_heads", 32},
          {"vocab_size", 51200},         {"intermediate_size", 10240},
          {"layer_norm_eps", 1e-5},      {"max_position_embeddings", 2048},
          {"rope_theta", 10000},         {"partial_rotary_factor", 0.4},
          {"tie_word_embeddings", false}};
}

Language read_text(const Json& given) {
  ConfigReader(given, "text_config of tinygpt-v");  // an object
  Json json = phi2_json();
  json.update(given);
  json["model_type"] = "phi";
  Language text = read_language(json, "text_config of tinygpt-v");
  if (text.tied || text.decoder.n_kv_heads != text.decoder.n_heads)
    throw invalid_input("{}: Phi-2 has an output matrix of its own and as many key heads as query heads", kSubject);
  ConfigReader r(json, "text_config of tinygpt-v");
  if (r.boolean("added_head_norm", true)) text.decoder.head_norm = HeadNorm::Layer;  // eps 1e-5
  if (r.boolean("added_attention_norm", true)) text.decoder.attention_rms_norm = 1e-6f;
  return text;
}

// Orders of rows are listed for every block; published: 82,000 and 55,000.
void check_size(const Config& c) {
  constexpr int64_t kMost = 1 << 20;
  if (int64_t{c.vision.d_model} * c.vision.n_blocks > kMost ||
      int64_t{c.text.decoder.d_head()} * c.text.decoder.n_heads * c.text.decoder.n_blocks > kMost)
    throw invalid_input("{}: {} blocks of {} and {} of {} channels; the limit is {} channels in all", kSubject,
                        c.vision.n_blocks, c.vision.d_model, c.text.decoder.n_blocks, c.text.decoder.d_model, kMost);
}

Config read(const Json& json) {
  ConfigReader r(json, kSubject);
  Config c;
  c.stage = r.integer("stage", 1, 4, 4);
  bool last = c.stage == 4;
  c.vision = read_vision(part(json, "vision_config"));
  c.image_size = r.integer("image_size", c.vision.patch_size, kMaxImageSide, last ? 448 : 224);
  if (c.image_size % c.vision.patch_size != 0 || c.image_size / c.vision.patch_size > kMaxPatchesASide)
    throw invalid_input("{}: \"image_size\" is {}; expected a multiple of {} of at most {} patches", kSubject,
                        c.image_size, c.vision.patch_size, kMaxPatchesASide);
  c.prompt = &find_template(r.text("prompt_template", last ? "inst" : "human_sys"));
  c.qformer = read_qformer(part(json, "qformer_config"), c.vision.d_model);
  c.d_projector = r.integer("projector_width", 8, kMaxWidth, 4096);
  c.text = read_text(part(json, "text_config"));
  check_size(c);
  return c;
}

std::vector<int32_t> range(int first, int n) {
  std::vector<int32_t> rows(static_cast<size_t>(n));
  std::iota(rows.begin(), rows.end(), first);
  return rows;
}

// EVA: q, k and v in one matrix; biases of q and v apart, none of k.
constexpr VisionNames kEvaNames{.patch_embed = "patch_embed.proj",
                                .cls_token = "cls_token",
                                .pos_embed = "pos_embed",
                                .block = "blocks.{}.",
                                .norm1 = "norm1",
                                .norm2 = "norm2",
                                .q = "attn.q",
                                .k = "attn.k",
                                .v = "attn.v",
                                .proj = "attn.proj",
                                .fc1 = "mlp.fc1",
                                .fc2 = "mlp.fc2"};

// "visual_encoder.blocks.0.attn.q.weight" -> the q rows of "...attn.qkv.weight"; "...attn.q.bias" -> "...attn.q_bias".
void store_as_eva(WeightSpec& spec, int d) {
  std::string& stored = spec.stored.parts[0];
  for (int i = 0; i < 3; ++i) {
    std::string own = std::string("attn.") + "qkv"[i];
    size_t at = stored.rfind(own + ".");
    if (at == stored.npos) continue;
    if (stored.ends_with(".bias")) {
      stored = stored.substr(0, at) + own + "_bias";
    } else {
      stored = stored.substr(0, at) + "attn.qkv.weight";
      spec.stored.rows = range(i * d, d);
      spec.stored.stored_rows = 3 * d;
    }
    return;
  }
}

std::vector<WeightSpec> eva_rows(const VitConfig& c) {
  SpecList list;
  vision_rows(list, c, kEvaNames, "visual_encoder.");
  std::vector<WeightSpec> rows = list.take();
  std::erase_if(rows, [](const WeightSpec& spec) { return spec.name.ends_with(".attn.k.bias"); });
  for (WeightSpec& spec : rows) store_as_eva(spec, c.d_model);
  return rows;
}

void attention_rows(SpecList& rows, const std::string& name, const std::string& bert, int d, int d_keys) {
  rows.linear(name + ".q", d, d, bert + ".self.query", true);
  rows.linear(name + ".k", d, d_keys, bert + ".self.key", true);
  rows.linear(name + ".v", d, d_keys, bert + ".self.value", true);
  rows.linear(name + ".proj", d, d, bert + ".output.dense", true);
  rows.layer_norm(name + "_norm", d, bert + ".output.LayerNorm");
}

void qformer_rows(SpecList& rows, const QFormerConfig& c) {
  int d = c.d_model;
  rows.layer_norm("qformer.ln_vision", c.d_vision, "ln_vision");
  rows.table("qformer.query", {1, c.n_queries, d}, {"query_tokens"});
  rows.layer_norm("qformer.norm", d, "Qformer.bert.embeddings.LayerNorm");
  for (int i = 0; i < c.n_blocks; ++i) {
    std::string name = fmt::format("qformer.blocks.{}", i), bert = fmt::format("Qformer.bert.encoder.layer.{}", i);
    attention_rows(rows, name + ".attn", bert + ".attention", d, d);
    if (c.crosses(i)) attention_rows(rows, name + ".cross", bert + ".crossattention", d, c.d_vision);
    rows.linear(name + ".mlp.fc1", c.d_ffn, d, bert + ".intermediate_query.dense", true);
    rows.linear(name + ".mlp.fc2", d, c.d_ffn, bert + ".output_query.dense", true);
    rows.layer_norm(name + ".mlp_norm", d, bert + ".output_query.LayerNorm");
  }
}

// The three layouts of Phi-2: q, k, v of every head together (TinyGPT-V's own), apart (transformers today), and
// Microsoft's first names with all q, all k, all v.
void store_as_phi(WeightSpec& spec, const DecoderConfig& c) {
  std::string hf = spec.stored.parts[0], native = hf;
  StoredAs microsoft;
  for (int i = 0; i < 3; ++i) {
    std::string own = std::string(".self_attn.") + "qkv"[i] + "_proj.";
    size_t at = hf.find(own);
    if (at == hf.npos) continue;
    int d = c.n_heads * c.d_head();
    spec.otherwise.push_back(spec.stored);
    native = hf.substr(0, at) + ".self_attn.query_key_value." + hf.substr(at + own.size());
    spec.stored = {.parts = {native}, .rows = grouped_rows("qkv"[i], c.n_heads, c.n_heads, c.d_head())};
    spec.stored.stored_rows = microsoft.stored_rows = 3 * d;
    microsoft.rows = range(i * d, d);
  }
  microsoft.parts = {microsoft_phi_name(native)};
  if (!microsoft.parts[0].empty()) spec.otherwise.push_back(std::move(microsoft));
}

std::vector<WeightSpec> phi_rows(const Language& text) {
  SpecList list;
  language_rows(list, text, Dialect::HuggingFace, "llama_model.");
  for (int i = 0; text.decoder.attention_rms_norm > 0 && i < text.decoder.n_blocks; ++i)
    list.gain(fmt::format("text.blocks.{}.attn_norm.weight", i), text.decoder.d_model,
              fmt::format("llama_model.model.layers.{}.post_layernorm.weight", i));
  std::vector<WeightSpec> rows = list.take();
  for (WeightSpec& spec : rows) store_as_phi(spec, text.decoder);
  return rows;
}

class TinyGptV final : public Model {
 public:
  explicit TinyGptV(const Json& json) : json_(json), c_(read(json)) { json_.erase("files"); }

  std::string_view family() const override { return "tinygpt-v"; }
  const Json& config() const override { return json_; }
  int n_vocab() const override { return c_.text.decoder.n_vocab; }
  int d_model() const override { return c_.text.decoder.d_model; }
  CacheSpec cache() const override { return cache_of(c_.text); }

  PictureSpec pictures() const override {
    PictureSpec spec{.policy = "square",
                     .mean = {0.48145466f, 0.4578275f, 0.40821073f},
                     .std = {0.26862954f, 0.26130258f, 0.27577711f},
                     .tokens_per_tile = c_.qformer.n_queries};
    spec.slice.tile = c_.image_size;
    return spec;
  }

  std::vector<WeightSpec> weights(Dialect dialect) const override {
    require_reference_names(dialect, "tinygpt-v");
    std::vector<WeightSpec> all = eva_rows(c_.vision);
    SpecList rows;
    qformer_rows(rows, c_.qformer);
    rows.linear("projector.fc1", c_.d_projector, c_.qformer.d_model, "llama_proj", true);
    rows.linear("projector.fc2", d_model(), c_.d_projector, "llama_proj2", true);
    for (std::vector<WeightSpec> more : {rows.take(), phi_rows(c_.text)})
      all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    return all;
  }

  Value encode_image(const Scope& s, Value pixels) const override {
    Value x = vit(s / "vision", pixels, c_.vision);  // [N, patches + 1, d]
    Scope bridge = s / "qformer", projector = s / "projector";
    x = bridge.named(layer_norm(bridge / "ln_vision", x, kPictureNormEps), "picture");
    x = qformer(bridge, x, c_.qformer);  // [N, Q, d]
    return projector.named(linear(projector / "fc2", linear(projector / "fc1", x)), "out");
  }

  Value embed(const Scope& s, Value ids) const override { return embed_tokens(s / "text", ids); }
  Value decode(const Scope& s, Value x, const PositionInfo& at, std::span<const LayerCache> caches) const override {
    return decoder(s / "text", x, c_.text.decoder, at, caches);
  }
  Value logits(const Scope& s, Value hidden) const override { return output_logits(s / "text", hidden); }

  // The marks are plain text for the tokenizer; what stands before and behind a picture is tokenized by itself.
  std::vector<PromptPiece> prompt(const Tokenizer& tokenizer, const UserTurn& turn) const override {
    PromptBuilder b(tokenizer);
    const PromptTemplate& t = *c_.prompt;
    if (turn.index == 0) turn.system.empty() ? b.markup(t.system) : b.words(turn.system);
    b.markup(t.open);
    int picture = 0;
    for (size_t i = 0; i < turn.parts.size(); ++i) {
      const TurnPart& part = turn.parts[i];
      if (i > 0) b.markup(" ");
      if (part.picture)
        b.markup("<Img>").tile(picture++, 0, c_.qformer.n_queries).markup("</Img>");
      else
        b.words(part.text);
    }
    return b.markup(t.close).take();
  }

  // The demos' own.
  SamplingDefaults sampling() const override {
    return {.temperature = 0.6f, .top_p = 0.9f, .repeat_penalty = 1.05f, .max_new_tokens = c_.stage == 4 ? 500 : 300};
  }
  std::vector<std::string> stop_strings() const override { return {"###"}; }

 private:
  Json json_;
  Config c_;
};

// Tiny: the tower's position table is stretched from 2 x 2 to 4 x 4, the second block of the Q-Former is blind.
Json tiny_json() {
  Json text{{"hidden_size", 80},
            {"intermediate_size", 160},
            {"num_hidden_layers", 2},
            {"num_attention_heads", 4},
            {"vocab_size", 320}};
  return {{"model_type", "tinygpt-v"},
          {"image_size", 56},
          {"projector_width", 40},
          {"vision_config",
           {{"image_size", 28}, {"hidden_size", 48}, {"num_attention_heads", 4}, {"num_hidden_layers", 2}}},
          {"qformer_config",
           {{"num_query_tokens", 3},
            {"hidden_size", 32},
            {"num_attention_heads", 4},
            {"num_hidden_layers", 2},
            {"intermediate_size", 64}}},
          {"text_config", std::move(text)}};
}

// The four published stages have one network; the last sees larger pictures and another prompt.
Json preset(std::string_view size) {
  if (size == "tiny") return tiny_json();
  for (int stage = 1; stage <= 4; ++stage)
    if (size == fmt::format("stage{}", stage))
      return {{"model_type", "tinygpt-v"}, {"stage", stage}, {"text_config", phi2_json()}};
  return nullptr;
}

}  // namespace

Family tinygptv_family() {
  return {.name = "tinygpt-v",
          .title = "TinyGPT-V, stages 1 to 4 (arXiv 2312.16862)",
          .recognises = [](const Json& config) { return model_type(config) == "tinygpt-v"; },
          .make = [](const Json& config) -> std::unique_ptr<Model> { return std::make_unique<TinyGptV>(config); },
          .preset = preset,
          .presets =
              [] {
                return std::vector<std::string_view>{"tiny", "stage1", "stage2", "stage3", "stage4"};
              },
          .open = open_tinygptv,
          .save = save_tinygptv};
}

}  // namespace galago
