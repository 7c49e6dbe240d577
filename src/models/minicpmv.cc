// MiniCPM-V 2.0, Llama3-V 2.5, 2.6 and 4.x (arXiv 2408.01800): a SigLIP tower for pictures of any size, a perceiver
// resampler that gives 64 or 96 tokens a slice, and a language model: MiniCPM, Llama 3, Qwen2, Qwen3.
//
// Surprises of the published code, kept: 2.5 sees every picture as one strip, so that only the first row of its
// position table is used; the rows of pictures are not multiplied by MiniCPM's embedding scale; 2.0 has the exact GELU
// and 26 blocks; the resampler multiplies by `proj` from the left.
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "models/language.h"
#include "models/prompt.h"
#include "models/vision.h"
#include "nn/resampler.h"

namespace galago {
namespace {

enum class Version { V20, V25, V26, V40, V45 };

struct Config {
  Version version = Version::V26;
  VitConfig vision;
  ResamplerConfig resampler;
  Language text;
  int max_slices = 9, scale_resolution = 448;
  bool image_ids = false;
  bool is_new() const { return version >= Version::V26; }  // markup of slices
};

const char kSubject[] = "config of minicpmv";

Version read_version(const Json& json) {
  ConfigReader r(json, kSubject);
  std::string version;
  if (auto found = json.find("version"); found != json.end() && !found->is_null())
    version = found->is_string()   ? found->get<std::string>()
              : found->is_number() ? fmt::format("{:.1f}", found->get<double>())
                                   : found->dump();
  if (version.empty())
    return r.integer("hidden_size", 1, kMaxWidth, 0) == 2304 && r.integer("query_num", 1, 4096, 64) == 64
               ? Version::V20
               : Version::V25;
  if (version == "2.0") return Version::V20;
  if (version == "2.5") return Version::V25;
  if (version == "2.6") return Version::V26;
  if (version == "4.0") return Version::V40;
  if (version == "4.5") return Version::V45;
  throw unsupported("{}: version {}; galago runs 2.0, 2.5, 2.6, 4.0 and 4.5", kSubject, version);
}

Language read_text(const Json& json, Version version) {
  constexpr const char* kTypes[] = {"minicpm", "llama", "qwen2", "llama", "qwen3"};
  Json config = json;
  config["model_type"] = kTypes[static_cast<int>(version)];
  if (!config.contains("tie_word_embeddings")) config["tie_word_embeddings"] = false;
  return read_language(config, kSubject);
}

VitConfig read_vision(const Json& json, Version version) {
  static const Json kNone = Json::object();
  ConfigReader r(json.contains("vision_config") ? json["vision_config"] : kNone, "vision_config of minicpmv");
  bool first = version == Version::V20;
  VitConfig c;
  c.image_size = r.integer("image_size", 8, kMaxImageSide, first ? 378 : 980);
  c.patch_size = r.integer("patch_size", 1, 256, 14);
  c.d_model = r.integer("hidden_size", 8, kMaxWidth, 1152);
  c.d_ffn = r.integer("intermediate_size", 8, kMaxWidth, 4304);
  c.n_heads = r.integer("num_attention_heads", 1, kMaxHeads, 16);
  c.n_blocks = r.integer("num_hidden_layers", 1, kMaxLayers, 27);
  c.eps = r.number("layer_norm_eps", 0, 1, 1e-6);
  bool drop_last = ConfigReader(json, kSubject).boolean("drop_vision_last_layer", first);
  if (drop_last) --c.n_blocks;
  c.positions = first                     ? VitPositions::Antialiased
                : version == Version::V25 ? VitPositions::Strip
                                          : VitPositions::Buckets;
  c.activation = first ? UnaryKind::GeluErf : UnaryKind::GeluTanh;
  check_vision(c, kSubject);
  return c;
}

Config read(const Json& json) {
  ConfigReader r(json, kSubject);
  Config c{.version = read_version(json)};
  c.text = read_text(json, c.version);
  c.vision = read_vision(json, c.version);
  int width = c.text.decoder.d_model, head = r.integer("resampler_head_dim", 4, 4096, 128);
  c.resampler = {.n_queries = r.integer("query_num", 1, 4096, c.version == Version::V25 ? 96 : 64),
                 .d_model = width,
                 .d_vision = c.vision.d_model,
                 .n_heads = width / head};
  if (width % head != 0 || width % 4 != 0)
    throw invalid_input("{}: hidden_size {} does not split into resampler heads of {}", kSubject, width, head);
  static const Json kNone = Json::object();
  ConfigReader slices(json.contains("slice_config") ? json["slice_config"] : kNone, "slice_config of minicpmv");
  c.max_slices = slices.integer("max_slice_nums", 1, 64, r.integer("max_slice_nums", 1, 64, 9));
  c.scale_resolution = slices.integer("scale_resolution", 14, 4096, r.integer("scale_resolution", 14, 4096, 448));
  c.image_ids = r.boolean("use_image_id", c.is_new());
  return c;
}

void resampler_rows(SpecList& rows, const Config& c, Dialect dialect) {
  bool gguf = dialect == Dialect::LlamaCpp;
  int E = c.resampler.d_model, Q = c.resampler.n_queries;
  rows.table("resampler.query", {Q, E}, {"resampler.query"});
  rows.matrix("resampler.kv.weight", E, c.resampler.d_vision,
              {gguf ? "resampler.kv.weight" : "resampler.kv_proj.weight"});
  for (const char* norm : {"ln_q", "ln_kv", "ln_post"})
    rows.layer_norm(std::string("resampler.") + norm, E, std::string("resampler.") + norm);
  for (int i = 0; i < 3; ++i) {
    std::string name = std::string("resampler.attn.") + "qkv"[i];
    rows.linear(name, E, E, gguf ? name : "resampler.attn.in_proj", true);
    if (gguf) continue;
    std::vector<int32_t> third(static_cast<size_t>(E));  // in_proj_weight, in_proj_bias: q, k and v in one
    std::iota(third.begin(), third.end(), i * E);
    rows.last().stored = {.parts = {"resampler.attn.in_proj_bias"}, .rows = third, .stored_rows = 3 * E};
    rows.before_last().stored = {.parts = {"resampler.attn.in_proj_weight"}, .rows = third, .stored_rows = 3 * E};
  }
  rows.linear("resampler.attn.proj", E, E, gguf ? "resampler.attn.out" : "resampler.attn.out_proj", true);
  rows.matrix("resampler.proj.weight", E, E, {gguf ? "resampler.proj.weight" : "resampler.proj"});
  rows.last().stored.transposed = !gguf;
  // llama.cpp multiplies pictures by the embedding scale too, so its converter divided here.
  if (gguf) rows.last().stored.scale = 1 / c.text.decoder.embed_scale;
  if (c.version != Version::V20) return;
  rows.table("resampler.pos_q", {Q, E}, {"resampler.pos_embed"});
}

class MiniCpmV final : public Model {
 public:
  explicit MiniCpmV(const Json& json) : json_(json), c_(read(json)) {}

  std::string_view family() const override { return "minicpmv"; }
  const Json& config() const override { return json_; }
  int n_vocab() const override { return c_.text.decoder.n_vocab; }
  int d_model() const override { return c_.text.decoder.d_model; }
  CacheSpec cache() const override { return cache_of(c_.text); }

  PictureSpec pictures() const override {
    PictureSpec spec{.policy = "minicpmv", .mean = {0.5f, 0.5f, 0.5f}, .std = {0.5f, 0.5f, 0.5f}};
    spec.slice.tile = c_.scale_resolution;
    spec.slice.max_tiles = c_.max_slices;
    spec.slice.patch = c_.vision.patch_size;
    spec.tokens_per_tile = c_.resampler.n_queries;
    return spec;
  }

  std::vector<WeightSpec> weights(Dialect dialect) const override {
    SpecList rows;
    bool gguf = dialect == Dialect::LlamaCpp;
    const VisionNames& names = gguf ? kGgufVisionNames : c_.version == Version::V20 ? kTimmNames : kSiglipNames;
    vision_rows(rows, c_.vision, names, gguf ? "" : "vpm.");
    resampler_rows(rows, c_, dialect);
    language_rows(rows, c_.text, dialect, gguf ? "" : "llm.");
    return rows.take();
  }

  Value encode_image(const Scope& s, Value pixels) const override {
    Shape shape = s.graph().shape(pixels);
    int64_t h = shape[2] / c_.vision.patch_size, w = shape[3] / c_.vision.patch_size;
    return resampler(s / "resampler", vit(s / "vision", pixels, c_.vision), h, w, c_.resampler);
  }

  Value embed(const Scope& s, Value ids) const override { return embed_tokens(s / "text", ids, c_.text.decoder); }
  Value decode(const Scope& s, Value x, const PositionInfo& at, std::span<const LayerCache> caches) const override {
    return decoder(s / "text", x, c_.text.decoder, at, caches);
  }
  Value logits(const Scope& s, Value hidden) const override { return output_logits(s / "text", hidden); }

  std::vector<PromptPiece> prompt(const Tokenizer& tokenizer, const UserTurn& turn) const override {
    PromptBuilder b(tokenizer);
    if (turn.index == 0) b.begin();
    if (c_.version == Version::V20) {
      b.markup("<用户>");
      content(b, turn);
      return b.markup("<AI>").take();
    }
    bool llama3 = c_.version == Version::V25;
    llama3 ? open_llama3_turn(b, turn) : open_chatml_turn(b, turn);
    content(b, turn);
    b.markup(llama3 ? "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
                    : "<|im_end|>\n<|im_start|>assistant\n");
    if (c_.version == Version::V45) b.markup("<think>\n\n</think>\n\n");  // answers at once
    return b.take();
  }

  SamplingDefaults sampling() const override {
    return {.temperature = 0.7f, .top_k = 100, .top_p = 0.8f, .repeat_penalty = 1.05f, .max_new_tokens = 1024};
  }

 private:
  static void open_llama3_turn(PromptBuilder& b, const UserTurn& turn) {
    if (turn.index > 0) b.markup("<|eot_id|>");
    if (turn.index == 0 && !turn.system.empty())
      b.markup("<|start_header_id|>system<|end_header_id|>\n\n").words(turn.system).markup("<|eot_id|>");
    b.markup("<|start_header_id|>user<|end_header_id|>\n\n");
  }

  void open_chatml_turn(PromptBuilder& b, const UserTurn& turn) const {
    std::string_view system = turn.system;
    if (system.empty() && c_.version == Version::V26) system = "You are a helpful assistant.";  // Qwen2's own
    if (turn.index > 0) b.markup("<|im_end|>\n");
    if (turn.index == 0 && !system.empty()) b.markup("<|im_start|>system\n").words(system).markup("<|im_end|>\n");
    b.markup("<|im_start|>user\n");
  }

  // Pictures and texts, joined by newlines.
  void content(PromptBuilder& b, const UserTurn& turn) const {
    int picture = 0;
    for (size_t i = 0; i < turn.parts.size(); ++i) {
      const TurnPart& part = turn.parts[i];
      if (i > 0) b.markup("\n");
      if (!part.picture) {
        b.words(part.text);
        continue;
      }
      if (c_.image_ids && !part.is_frame)
        b.markup(fmt::format("<image_id>{}</image_id>", turn.n_pictures_before + picture));
      add_slices(b, *part.picture, picture++);
    }
  }

  // The overview, then the slices row by row. Before 2.6 <slice> surrounds them all and each is an <image>.
  void add_slices(PromptBuilder& b, const SlicePlan& plan, int picture) const {
    int n_tokens = c_.resampler.n_queries, tile = 0;
    b.markup("<image>").tile(picture, tile++, n_tokens).markup("</image>");
    if (plan.views.size() == 1) return;
    const char *open = c_.is_new() ? "<slice>" : "<image>", *close = c_.is_new() ? "</slice>" : "</image>";
    if (!c_.is_new()) b.markup("<slice>");
    for (int row = 0; row < plan.views[1].rows; ++row) {
      if (row > 0) b.markup("\n");
      for (int col = 0; col < plan.views[1].cols; ++col) b.markup(open).tile(picture, tile++, n_tokens).markup(close);
    }
    if (!c_.is_new()) b.markup("</slice>");
  }

  Json json_;
  Config c_;
};

Json vision_json(int d, int ffn, int heads, int blocks, int image, int patch) {
  return {
      {"hidden_size", d},    {"intermediate_size", ffn}, {"num_attention_heads", heads}, {"num_hidden_layers", blocks},
      {"image_size", image}, {"patch_size", patch}};
}

Json text_json(int d, int ffn, int blocks, int heads, int kv_heads, int vocab, double eps, double theta, int context) {
  return {{"model_type", "minicpmv"},     {"hidden_size", d},
          {"intermediate_size", ffn},     {"num_hidden_layers", blocks},
          {"num_attention_heads", heads}, {"num_key_value_heads", kv_heads},
          {"vocab_size", vocab},          {"rms_norm_eps", eps},
          {"rope_theta", theta},          {"max_position_embeddings", context}};
}

Json with_version(Json config, const char* version, int queries, Json vision) {
  if (*version) config["version"] = version;
  config["query_num"] = queries;
  config["vision_config"] = std::move(vision);
  return config;
}

void add_minicpm_scales(Json& config, int base) {
  config["scale_emb"] = 12;
  config["scale_depth"] = 1.4;
  config["dim_model_base"] = base;
  config["drop_vision_last_layer"] = true;
}

// The published sizes, and a tiny one of each version. 2.0 has no vision_config of its own.
Json preset(std::string_view size) {
  Json so400m = vision_json(1152, 4304, 16, 27, 980, 14);
  if (size == "2.0") {
    Json config = text_json(2304, 5760, 40, 36, 36, 122753, 1e-5, 10000, 4096);
    add_minicpm_scales(config, 256);
    return with_version(config, "", 64, vision_json(1152, 4304, 16, 27, 378, 14));
  }
  if (size == "2.5")
    return with_version(text_json(4096, 14336, 32, 32, 8, 128256, 1e-5, 500000, 8192), "2.5", 96, so400m);
  if (size == "2.6")
    return with_version(text_json(3584, 18944, 28, 28, 4, 151666, 1e-6, 1000000, 32768), "2.6", 64, so400m);
  if (size == "2.6-tower")  // in front of one small layer, to measure encoding alone
    return with_version(text_json(3584, 1024, 1, 28, 4, 1024, 1e-6, 1000000, 32768), "2.6", 64, so400m);
  if (!size.starts_with("tiny")) return nullptr;
  std::string version(size == "tiny" ? "2.6" : size.substr(5));
  Json config = text_json(64, 96, 2, 4, version == "2.0" ? 4 : 2, 320, 1e-5, 10000, 4096);
  config["resampler_head_dim"] = 16;
  config["scale_resolution"] = 56;
  if (version == "2.0") add_minicpm_scales(config, 16);
  int blocks = version == "2.0" ? 3 : 2;
  int image = version == "2.0" ? 42 : 98;
  return with_version(config, version.c_str(), version == "2.0" ? 4 : 6, vision_json(48, 80, 4, blocks, image, 14));
}

std::string version_in_gguf(const GgufFile& vision) {
  switch (vision.get_i32("clip.minicpmv_version", 2)) {
    case 1:
      return "2.0";
    case 2:
      return "2.5";
    case 3:
      return "2.6";
    case 5:
      return "4.0";
    case 6:
      return "4.5";
    default:
      throw unsupported("{}: clip.minicpmv_version {}; galago runs 1, 2, 3, 5 and 6", vision.path(),
                        vision.get_i32("clip.minicpmv_version"));
  }
}

// The number of queries and positions is what the tensors have; image_size in these files is that of a slice.
Json from_gguf(const GgufFile& text, const GgufFile* vision) {
  if (!vision || vision->get_string("clip.projector_type", "") != "resampler") return nullptr;
  Json config = language_config_from_gguf(text);
  const GgufTensor* query = vision->find_tensor("resampler.query");
  const GgufTensor* positions = vision->find_tensor("v.position_embd.weight");
  if (config.is_null() || !query || !positions) return nullptr;
  if (query->shape.last() != config["hidden_size"].get<int64_t>())
    throw invalid_input("{}: gives embeddings of width {}, the language model {} has {}; they do not belong together",
                        vision->path(), query->shape.last(), text.path(), config["hidden_size"].get<int64_t>());
  VitConfig v = vision_config_from_gguf(*vision);
  int side = static_cast<int>(std::lround(std::sqrt(static_cast<double>(positions->shape.rows()))));
  config["model_type"] = "minicpmv";
  config["drop_vision_last_layer"] = false;
  return with_version(config, version_in_gguf(*vision).c_str(), static_cast<int>(query->shape.rows()),
                      vision_json(v.d_model, v.d_ffn, v.n_heads, v.n_blocks, side * v.patch_size, v.patch_size));
}

}  // namespace

Family minicpmv_family() {
  return {.name = "minicpmv",
          .title = "MiniCPM-V 2.0, 2.5, 2.6, 4.0, 4.5 (arXiv 2408.01800)",
          .recognises = [](const Json& config) { return model_type(config) == "minicpmv"; },
          .make = [](const Json& config) -> std::unique_ptr<Model> { return std::make_unique<MiniCpmV>(config); },
          .preset = preset,
          .presets =
              [] {
                return std::vector<std::string_view>{"tiny", "tiny-2.0", "tiny-2.5", "tiny-2.6", "tiny-4.5",
                                                     "2.0",  "2.5",      "2.6",      "2.6-tower"};
              },
          .control_tokens =
              [] {
                return std::vector<std::string_view>{"<image>",           "</image>",   "<slice>",
                                                     "</slice>",          "<image_id>", "</image_id>",
                                                     "<|im_start|>",      "<|im_end|>", "<|start_header_id|>",
                                                     "<|end_header_id|>", "<|eot_id|>"};
              },
          .vision_width = "/vision_config/intermediate_size",
          .from_gguf = from_gguf};
}

}  // namespace galago
