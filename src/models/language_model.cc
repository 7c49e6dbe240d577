// Language models without eyes: MiniCPM (arXiv 2404.06395) with its mixture of experts, MiniCPM3, MiniCPM4, Llama,
// Qwen2, Qwen3, InternLM2, Phi, GPT-NeoX. The architectures are the rows of models/language.cc.
//
// Prompts: config.json's "chat_template_name" (a name of text/chat_template.cc, or "plain": text to continue), which
// loading sets from the template that is stored with a checkpoint; without it what the vocabulary tells.
#include "base/error.h"
#include "models/language.h"
#include "models/prompt.h"
#include "text/chat_template.h"

namespace galago {
namespace {

// Templates of models without a stored one: the first row of the type whose mark is in the vocabulary; then plain text.
struct UsualChat {
  std::string_view type, mark, name;
};
constexpr UsualChat kUsualChats[] = {
    {"minicpm", "<|im_start|>", "chatml"},  // 128K, MiniCPM4
    {"minicpm", "", "minicpm"},
    {"minicpm3", "<|im_start|>", "chatml"},
    {"llama", "<|start_header_id|>", "llama3"},
    {"qwen2", "<|im_start|>", "qwen2"},
    {"qwen3", "<|im_start|>", "chatml"},
    {"internlm2", "<|im_start|>", "chatml"},
};

std::string_view usual_chat(std::string_view type, const Tokenizer& tokenizer) {
  for (const UsualChat& row : kUsualChats)
    if (row.type == type && (row.mark.empty() || tokenizer.find(row.mark))) return row.name;
  return "plain";
}

std::vector<std::string> chat_stops(std::string_view name) {
  if (name == "plain") return {};
  if (name == "minicpm") return {"<用户>", "<AI>"};  // where the published chat() cuts an answer
  std::string_view stop = chat_template(name).stop;
  return stop.empty() ? std::vector<std::string>{} : std::vector{std::string(stop)};
}

class LanguageModel final : public Model {
 public:
  explicit LanguageModel(const Json& json)
      : json_(json), language_(read_language(json, "config of " + model_type(json))) {
    chat_ = ConfigReader(json, "config of " + language_.type).text("chat_template_name", "");
    if (!chat_.empty()) chat_stops(chat_);  // throws for a name that is none
  }

  std::string_view family() const override { return "language"; }
  const Json& config() const override { return json_; }
  int n_vocab() const override { return language_.decoder.n_vocab; }
  int d_model() const override { return language_.decoder.d_model; }
  CacheSpec cache() const override { return cache_of(language_); }
  PictureSpec pictures() const override { return {.policy = ""}; }

  std::vector<WeightSpec> weights(Dialect dialect) const override {
    SpecList rows;
    language_rows(rows, language_, dialect, "");
    return rows.take();
  }

  Value encode_image(const Scope&, Value) const override { throw unsupported("{} takes no pictures", language_.type); }
  Value embed(const Scope& s, Value ids) const override { return embed_tokens(s / "text", ids, language_.decoder); }
  Value decode(const Scope& s, Value x, const PositionInfo& at, std::span<const LayerCache> caches) const override {
    return decoder(s / "text", x, language_.decoder, at, caches);
  }
  Value logits(const Scope& s, Value hidden) const override { return output_logits(s / "text", hidden); }

  std::vector<PromptPiece> prompt(const Tokenizer& tokenizer, const UserTurn& turn) const override {
    std::string_view name = chat_.empty() ? usual_chat(language_.type, tokenizer) : chat_;
    std::string text = joined_text(turn);
    bool is_first = turn.index == 0;
    const TextPiece words[] = {{text}};
    if (name == "plain") return {{.ids = tokenizer.encode(words, is_first, is_first)}};
    const ChatTemplate& chat = chat_template(name);
    std::vector<ChatMessage> messages;
    if (!turn.system.empty()) messages.push_back({"system", std::string(turn.system)});
    messages.push_back({"user", text});
    std::vector<TextPiece> pieces = is_first ? render_chat(chat, messages, true) : render_next_turn(chat, text);
    return {{.ids = encode_chat(tokenizer, chat, pieces, is_first, is_first)}};
  }

  std::vector<std::string> stop_strings() const override {
    if (!chat_.empty()) return chat_stops(chat_);
    std::vector<std::string> all;  // of every template that the vocabulary may choose
    for (const UsualChat& row : kUsualChats)
      if (row.type == language_.type)
        for (std::string& stop : chat_stops(row.name)) all.push_back(std::move(stop));
    return all;
  }

 private:
  Json json_;
  Language language_;
  std::string chat_;  // the config's; empty: none
};

Json text_json(const char* type, int d, int ffn, int blocks, int heads, int kv_heads, int vocab) {
  return {{"model_type", type},           {"hidden_size", d},
          {"intermediate_size", ffn},     {"num_hidden_layers", blocks},
          {"num_attention_heads", heads}, {"num_key_value_heads", kv_heads},
          {"vocab_size", vocab}};
}

Json minicpm_json(int d, int ffn, int blocks, int heads, int kv_heads, int vocab, int base) {
  Json config = text_json("minicpm", d, ffn, blocks, heads, kv_heads, vocab);
  config.update({{"scale_emb", 12}, {"scale_depth", 1.4}, {"dim_model_base", base}, {"tie_word_embeddings", true}});
  return config;
}

// Factors of the published MiniCPM3-4B, for short and for long contexts.
constexpr double kMiniCpm3Factors[] = {1.0591234137867171, 1.1241891283591912, 1.2596935748670968, 1.5380380402321725,
                                       2.093982484148734,  3.1446935121267696, 4.937952647693647,  7.524541999994549,
                                       10.475458000005451, 13.062047352306353, 14.85530648787323,  15.906017515851266,
                                       16.461961959767827, 16.740306425132907, 16.87581087164081,  16.940876586213285};

Json long_rope(int trained, const Json& short_factors, const Json& long_factors) {
  return {{"type", "longrope"},
          {"original_max_position_embeddings", trained},
          {"short_factor", short_factors},
          {"long_factor", long_factors}};
}

Json minicpm3_json() {
  Json config = minicpm_json(2560, 6400, 62, 40, 40, 73448, 256);
  config.update({{"model_type", "minicpm3"},
                 {"q_lora_rank", 768},
                 {"kv_lora_rank", 256},
                 {"qk_nope_head_dim", 64},
                 {"qk_rope_head_dim", 32},
                 {"max_position_embeddings", 32768},
                 {"rope_scaling", long_rope(32768, kMiniCpm3Factors, kMiniCpm3Factors)}});
  return config;
}

Json tiny_minicpm3_json() {
  Json config = minicpm_json(64, 96, 2, 4, 4, 320, 256);  // llama.cpp's files do not say other than 256
  config.update({{"model_type", "minicpm3"},
                 {"q_lora_rank", 24},
                 {"kv_lora_rank", 16},
                 {"qk_nope_head_dim", 12},
                 {"qk_rope_head_dim", 8},
                 {"v_head_dim", 16},
                 {"max_position_embeddings", 64},
                 {"rope_scaling", long_rope(32, {1.0, 1.5, 2.0, 2.5}, {2.0, 3.0, 5.0, 8.0})}});
  return config;
}

// MiniCPM4: grouped queries and longrope.
Json tiny_minicpm4_json() {
  Json config = minicpm_json(64, 96, 2, 8, 2, 320, 16);
  config.update({{"rms_norm_eps", 1e-6},
                 {"max_position_embeddings", 64},
                 {"rope_scaling", long_rope(32, {1.0, 1.5, 2.0, 2.5}, {2.0, 3.0, 5.0, 8.0})}});
  return config;
}

// The length and scaling are remembered, not published: read them from config.json. Vocabulary: what the size of the
// published file fits.
Json long_minicpm_json() {
  Json config = minicpm_json(2304, 5760, 40, 36, 36, 122760, 256);
  config.update({{"tie_word_embeddings", false},
                 {"max_position_embeddings", 65536},
                 {"rope_scaling", {{"type", "dynamic"}, {"factor", 4.0}}}});
  return config;
}

// Published language models; the vocabulary of qwen2-7b is that of MiniCPM-V 2.6.
Json internlm2_json() {
  Json config = text_json("internlm2", 2048, 8192, 24, 16, 8, 92553);
  config.update({{"rope_theta", 1e6}, {"tie_word_embeddings", false}});
  return config;
}
Json qwen2_json(int d, int ffn, int blocks, int heads, int kv_heads, int vocab, bool tied) {
  Json config = text_json("qwen2", d, ffn, blocks, heads, kv_heads, vocab);
  config.update({{"rope_theta", 1e6}, {"rms_norm_eps", 1e-6}, {"tie_word_embeddings", tied}});
  return config;
}

Json preset(std::string_view size) {
  if (size == "internlm2-1.8b") return internlm2_json();
  if (size == "qwen2-0.5b") return qwen2_json(896, 4864, 24, 14, 2, 151936, true);
  if (size == "qwen2-7b") return qwen2_json(3584, 18944, 28, 28, 4, 151666, false);
  if (size == "minicpm3-4b") return minicpm3_json();
  if (size == "tiny-minicpm3") return tiny_minicpm3_json();
  if (size == "tiny-minicpm4") return tiny_minicpm4_json();
  if (size == "minicpm-2.4b-128k") return long_minicpm_json();
  if (size == "minicpm-1.2b") return minicpm_json(1536, 3840, 52, 24, 8, 73440, 256);
  if (size == "minicpm-2.4b") return minicpm_json(2304, 5760, 40, 36, 36, 122753, 256);
  if (size == "minicpm-moe-8x2b" || size == "tiny-moe") {
    Json config =
        size == "tiny-moe" ? minicpm_json(64, 80, 2, 4, 4, 320, 16) : minicpm_json(2304, 5760, 40, 36, 36, 122753, 256);
    config.update({{"num_experts", 8}, {"num_experts_per_tok", 2}});
    return config;
  }
  if (size == "tiny") return minicpm_json(64, 96, 2, 4, 2, 320, 16);
  constexpr const char* kTypes[] = {"llama", "qwen2", "qwen3", "internlm2", "phi", "gpt_neox"};
  for (const char* type : kTypes)
    if (size == fmt::format("tiny-{}", type)) {
      bool grouped = size != "tiny-phi" && size != "tiny-gpt_neox";
      Json config = text_json(type, 64, 96, 2, 4, grouped ? 2 : 4, 320);
      if (!grouped) config[size == "tiny-phi" ? "partial_rotary_factor" : "rotary_pct"] = 0.5;
      return config;
    }
  return nullptr;
}

}  // namespace

Family language_model_family() {
  return {.name = "language",
          .title = "MiniCPM 1.2B, 2.4B, MoE (arXiv 2404.06395), 3, 4; Llama, Qwen2, Qwen3, InternLM2, Phi, GPT-NeoX",
          .recognises = is_language,
          .make = [](const Json& config) -> std::unique_ptr<Model> { return std::make_unique<LanguageModel>(config); },
          .preset = preset,
          .presets =
              [] {
                return std::vector<std::string_view>{
                    "tiny",           "tiny-moe",     "tiny-llama",        "tiny-qwen2",       "tiny-qwen3",
                    "tiny-internlm2", "tiny-phi",     "tiny-gpt_neox",     "tiny-minicpm3",    "tiny-minicpm4",
                    "minicpm-1.2b",   "minicpm-2.4b", "minicpm-2.4b-128k", "minicpm-moe-8x2b", "minicpm3-4b",
                    "internlm2-1.8b", "qwen2-0.5b",   "qwen2-7b"};
              },
          .from_gguf = [](const GgufFile& text, const GgufFile* vision) -> Json {
            return vision ? Json() : language_config_from_gguf(text);
          }};
}

}  // namespace galago
