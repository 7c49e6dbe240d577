// BlueLM-V (arXiv 2411.10640): a SigLIP tower on square tiles, VILA's 2 x 2 downsampling projector, and a language
// model; pictures are cut by relaxed aspect-ratio matching. No code and no weights were published, and the paper's
// language model is in house: any decoder of models/language.cc stands in its place, by default MiniCPM 2.4B, which the
// paper itself trains as its open control.
//
// Names in files: SigLIP's own under vision_tower.vision_model. (LLaVA's bundles have vision_tower. twice, transformers
// 5 has no vision_model.), VILA's mm_projector.layers, llm. before the language model. Surprise of VILA kept: merged
// tokens are column-major.
#include <algorithm>

#include "base/error.h"
#include "models/language.h"
#include "models/prompt.h"
#include "models/vision.h"
#include "text/chat_template.h"

namespace galago {
namespace {

const char kSubject[] = "config of bluelm-v";

struct Config {
  VitConfig vision;
  int merge = 2;
  bool by_columns = true, fuse_first = false;
  float projector_eps = 1e-5f;
  Language text;
  std::string policy;
  SliceOptions slice;
  const ChatTemplate* chat = nullptr;
  int merged_side() const { return (vision.side() + merge - 1) / merge; }
  int merged_width() const { return merge * merge * vision.d_model; }
};

const Json& section(const Json& json, const char* name) {
  static const Json kNone = Json::object();
  return json.contains(name) ? json[name] : kNone;
}

// Which state of the tower the projector reads: "post" (after the last norm), -1 (before it), -2 (a block earlier) ...
void read_feature_layer(const Json& json, VitConfig& c) {
  const Json layer = json.value("feature_layer", Json(-2));
  c.final_norm = layer == "post";
  if (c.final_norm) return;
  if (!layer.is_number_integer() || layer > -1 || layer < -c.n_blocks)
    throw invalid_input("{}: vision.feature_layer is {}; expected \"post\" or -1 to {}", kSubject, layer.dump(),
                        -c.n_blocks);
  c.n_blocks += 1 + layer.get<int>();
}

VitConfig read_vision(const Json& json) {
  ConfigReader r(json, "vision section of bluelm-v's config");
  VitConfig c{.activation = UnaryKind::GeluTanh};
  c.image_size = r.integer("image_size", 8, kMaxImageSide, 384);
  c.patch_size = r.integer("patch", 1, 256, 14);
  c.d_model = r.integer("hidden", 8, kMaxWidth, 1152);
  c.d_ffn = r.integer("ffn", 8, kMaxWidth, 4304);
  c.n_blocks = r.integer("layers", 1, kMaxLayers, 27);
  c.n_heads = r.integer("heads", 1, kMaxHeads, 16);
  c.eps = r.number("ln_eps", 0, 1, 1e-6);
  check_vision(c, kSubject);
  read_feature_layer(json, c);
  return c;
}

void read_projector(const Json& json, Config& c) {
  ConfigReader r(json, "projector section of bluelm-v's config");
  c.merge = r.integer("merge", 1, 16, 2);
  c.projector_eps = r.number("ln_eps", 0, 1, 1e-5);
  std::string type = r.text("type", "vila_mlp_downsample"), order = r.text("order", "column");
  if (type != "vila_mlp_downsample" && type != "fuse_then_mlp")
    throw unsupported("{}: projector.type {}; galago knows vila_mlp_downsample and fuse_then_mlp", kSubject, type);
  if (order != "column" && order != "row")
    throw invalid_input("{}: projector.order is {}; expected column or row", kSubject, order);
  c.fuse_first = type == "fuse_then_mlp";
  c.by_columns = order == "column";
}

void read_tiling(const Json& json, Config& c) {
  ConfigReader r(json, "tiling section of bluelm-v's config");
  std::string method = r.text("method", "relaxed"), thumbnail = r.text("thumbnail", "first");
  c.policy = method == "relaxed" ? "bluelm" : method == "llava_next" ? "llavanext" : method;
  if (c.policy != "bluelm" && c.policy != "llavanext" && c.policy != "internvl")
    throw unsupported("{}: tiling.method {}; galago knows relaxed, llava_next and internvl", kSubject, method);
  if (thumbnail != "first" && thumbnail != "last")
    throw invalid_input("{}: tiling.thumbnail is {}; expected first or last", kSubject, thumbnail);
  c.slice = find_slicing_policy(c.policy).usual;
  c.slice.tile = c.vision.image_size;
  int max_cols = r.integer("max_m", 1, 32, 4), max_rows = r.integer("max_n", 1, 32, 4);
  for (int cols = 1; cols <= max_cols; ++cols)  // in LLaVA-NeXT's order
    for (int rows = 1; rows <= max_rows; ++rows) c.slice.grids.push_back({cols, rows});
  if (c.policy == "bluelm") std::reverse(c.slice.grids.begin(), c.slice.grids.end());  // largest canvas first
  c.slice.max_tiles = r.integer("max_tiles", 1, kMaxPlanTiles, c.slice.max_tiles);
  c.slice.alpha = r.number("alpha", 0, 1, 0.1);
  c.slice.strict = r.boolean("strict", false);
  c.slice.thumbnail_for_1x1 = r.boolean("thumbnail_for_1x1", true);
  c.slice.thumbnail = thumbnail == "first" ? SliceOptions::Thumbnail::First : SliceOptions::Thumbnail::Last;
}

// The template of the language model that stands in for BlueLM's, whose own is not published.
std::string_view usual_template(const Language& text) {
  if (text.type == "minicpm") return "minicpm";
  if (text.type == "llama") return "bluelm";
  return "chatml";
}

Config read(const Json& json) {
  Config c;
  c.vision = read_vision(section(json, "vision"));
  read_projector(section(json, "projector"), c);
  read_tiling(section(json, "tiling"), c);
  c.text = read_language(section(json, "llm"), "llm section of bluelm-v's config");
  c.chat = &chat_template(ConfigReader(json, kSubject).text("chat_template", std::string(usual_template(c.text))));
  return c;
}

class BlueLmV final : public Model {
 public:
  explicit BlueLmV(const Json& json) : json_(json), c_(read(json)) {}

  std::string_view family() const override { return "bluelm-v"; }
  const Json& config() const override { return json_; }
  int n_vocab() const override { return c_.text.decoder.n_vocab; }
  int d_model() const override { return c_.text.decoder.d_model; }
  CacheSpec cache() const override { return cache_of(c_.text); }

  PictureSpec pictures() const override {
    return {.policy = c_.policy,
            .slice = c_.slice,
            .mean = {0.5f, 0.5f, 0.5f},
            .std = {0.5f, 0.5f, 0.5f},
            .tokens_per_tile = c_.merged_side() * c_.merged_side()};
  }

  std::vector<WeightSpec> weights(Dialect dialect) const override {
    require_reference_names(dialect, family());
    SpecList rows;
    const std::string tower = "vision_tower.", model = "vision_model.";
    vision_rows(rows, c_.vision, kSiglipNames, "");
    std::vector<WeightSpec> all = rows.take();
    for (WeightSpec& row : all) {
      std::string own = row.stored.parts[0];
      row.stored = {{tower + model + own}};
      row.otherwise = {{{tower + tower + model + own}}, {{tower + own}}};
    }
    projector_rows(rows);
    language_rows(rows, c_.text, dialect, "llm.");
    for (WeightSpec& row : rows.take()) all.push_back(std::move(row));
    return all;
  }

  Value encode_image(const Scope& s, Value pixels) const override {
    Value x = merge(s, vit(s / "vision", pixels, c_.vision));  // [N, tokens, merge^2 d_vision]
    Scope p = s / "projector";
    x = c_.fuse_first ? linear(p / "fuse", x) : layer_norm(p / "norm", x, c_.projector_eps);
    x = mlp(p, x, {.gated = false, .activation = UnaryKind::GeluErf});
    return p.named(x, "out");
  }

  Value embed(const Scope& s, Value ids) const override { return embed_tokens(s / "text", ids, c_.text.decoder); }
  Value decode(const Scope& s, Value x, const PositionInfo& at, std::span<const LayerCache> caches) const override {
    return decoder(s / "text", x, c_.text.decoder, at, caches);
  }
  Value logits(const Scope& s, Value hidden) const override { return output_logits(s / "text", hidden); }

  // Inside the user's turn all pictures, one tile after another, in front of the instruction.
  std::vector<PromptPiece> prompt(const Tokenizer& tokenizer, const UserTurn& turn) const override {
    const ChatTemplate& chat = *c_.chat;
    PromptBuilder b(tokenizer);
    if (turn.index == 0) {
      b.begin();
      std::string_view system = turn.system.empty() ? chat.default_system : turn.system;
      if (!system.empty()) b.markup(chat.system.before).words(system).markup(chat.system.after);
    } else {
      b.markup(chat.assistant.after);
    }
    b.markup(turn.index > 0 && !chat.later_user.empty() ? chat.later_user : chat.user.before);
    add_pictures(b, turn, pictures().tokens_per_tile);
    return b.words(joined_text(turn)).markup(chat.user.after).markup(chat.generation).take();
  }

  std::vector<std::string> stop_strings() const override {
    if (c_.chat->stop.empty()) return {};
    return {std::string(c_.chat->stop)};
  }

 private:
  void projector_rows(SpecList& rows) const {
    int d = c_.text.decoder.d_model, width = c_.fuse_first ? c_.vision.d_model : c_.merged_width();
    if (c_.fuse_first) {
      rows.linear("projector.fuse", c_.vision.d_model, c_.merged_width(), "mm_projector.fuse", true);
    } else {
      rows.layer_norm("projector.norm", width, "mm_projector.layers.1");
    }
    rows.linear("projector.fc1", d, width, "mm_projector.layers.2", true);
    rows.linear("projector.fc2", d, d, "mm_projector.layers.4", true);
  }

  // Zeros at the bottom and on the right where the side is odd, then groups of merge x merge neighbours.
  Value merge(const Scope& s, Value x) const {
    Graph& g = s.graph();
    int64_t n = g.shape(x)[0], side = c_.vision.side(), padded = int64_t{c_.merged_side()} * c_.merge;
    x = reshape(g, x, {n, side, side, c_.vision.d_model});
    if (padded > side) x = pad(g, x, {0, 0, 0, 0}, {0, padded - side, padded - side, 0});
    x = pixel_shuffle(g, reshape(g, x, {n, padded * padded, c_.vision.d_model}), c_.merge, c_.by_columns);
    return (s / "projector").named(x, "merged");
  }

  Json json_;
  Config c_;
};

Json text_json(const char* type, int d, int ffn, int blocks, int heads, int vocab, int context) {
  return {{"model_type", type},
          {"hidden_size", d},
          {"intermediate_size", ffn},
          {"num_hidden_layers", blocks},
          {"vocab_size", vocab},
          {"num_attention_heads", heads},
          {"num_key_value_heads", heads},
          {"rope_theta", 10000},
          {"max_position_embeddings", context},
          {"rms_norm_eps", 1e-5},
          {"scale_emb", 12},
          {"scale_depth", 1.4},
          {"dim_model_base", d / 9},
          {"tie_word_embeddings", true}};
}

Json preset(std::string_view size) {
  Json config{{"model_type", "bluelm_v"},
              {"vision",
               {{"type", "siglip"},
                {"image_size", 384},
                {"patch", 14},
                {"hidden", 1152},
                {"ffn", 4304},
                {"layers", 27},
                {"heads", 16},
                {"ln_eps", 1e-6},
                {"feature_layer", -2}}},
              {"projector", {{"type", "vila_mlp_downsample"}, {"merge", 2}, {"order", "column"}, {"ln_eps", 1e-5}}},
              {"tiling",
               {{"method", "relaxed"},
                {"max_m", 4},
                {"max_n", 4},
                {"alpha", 0.1},
                {"thumbnail", "first"},
                {"thumbnail_for_1x1", true}}}};
  if (size == "minicpm-2b") {
    config["llm"] = text_json("minicpm", 2304, 5760, 40, 36, 122753, 4096);
    return config;
  }
  if (size != "tiny") return nullptr;
  config["vision"].update({{"image_size", 44}, {"patch", 8}, {"hidden", 32}, {"ffn", 64}, {"heads", 4}, {"layers", 3}});
  config["llm"] = text_json("minicpm", 40, 56, 2, 2, 320, 1024);
  return config;
}

}  // namespace

Family bluelmv_family() {
  return {.name = "bluelm-v",
          .title = "BlueLM-V (arXiv 2411.10640) over any language model",
          .recognises = [](const Json& config) { return model_type(config) == "bluelm_v"; },
          .make = [](const Json& config) -> std::unique_ptr<Model> { return std::make_unique<BlueLmV>(config); },
          .preset = preset,
          .presets =
              [] {
                return std::vector<std::string_view>{"tiny", "minicpm-2b"};
              },
          .vision_width = "/vision/ffn"};
}

}  // namespace galago
