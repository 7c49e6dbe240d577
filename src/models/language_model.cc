// Language models without eyes: MiniCPM (arXiv 2404.06395) with its mixture of experts, Llama, Qwen2, Qwen3, InternLM2,
// Phi, GPT-NeoX. The architectures are the rows of models/language.cc.
#include "base/error.h"
#include "models/language.h"
#include "models/prompt.h"

namespace galago {
namespace {

class LanguageModel final : public Model {
 public:
  explicit LanguageModel(const Json& json)
      : json_(json), language_(read_language(json, "config of " + json.value("model_type", "a language model"))) {}

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
    PromptBuilder b(tokenizer);
    if (turn.index == 0) b.begin();
    return b.words(joined_text(turn)).take();
  }

 private:
  Json json_;
  Language language_;
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

Json preset(std::string_view size) {
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
          .title = "MiniCPM 1.2B, 2.4B, MoE (arXiv 2404.06395); Llama, Qwen2, Qwen3, InternLM2, Phi, GPT-NeoX",
          .recognises = is_language,
          .make = [](const Json& config) -> std::unique_ptr<Model> { return std::make_unique<LanguageModel>(config); },
          .preset = preset,
          .presets =
              [] {
                return std::vector<std::string_view>{
                    "tiny",     "tiny-moe",      "tiny-llama",   "tiny-qwen2",   "tiny-qwen3",      "tiny-internlm2",
                    "tiny-phi", "tiny-gpt_neox", "minicpm-1.2b", "minicpm-2.4b", "minicpm-moe-8x2b"};
              },
          .from_gguf = [](const GgufFile& text, const GgufFile* vision) -> Json {
            return vision ? Json() : language_config_from_gguf(text);
          }};
}

}  // namespace galago
