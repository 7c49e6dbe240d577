#include "models/language.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "models/language_rope.h"
#include "text/chat_template.h"

namespace galago {
namespace {

using Packing = LanguageNames::Packing;

constexpr LanguageNames kLlama{.token_embed = "model.embed_tokens",
                               .norm = "model.norm",
                               .head = "lm_head",
                               .block = "model.layers.{}.",
                               .norm1 = "input_layernorm",
                               .norm2 = "post_attention_layernorm",
                               .q = "self_attn.q_proj",
                               .k = "self_attn.k_proj",
                               .v = "self_attn.v_proj",
                               .proj = "self_attn.o_proj",
                               .q_norm = "self_attn.q_norm",
                               .k_norm = "self_attn.k_norm",
                               .gate = "mlp.gate_proj",
                               .up = "mlp.up_proj",
                               .down = "mlp.down_proj",
                               .q_a = "self_attn.q_a_proj",
                               .q_a_norm = "self_attn.q_a_layernorm",
                               .q_b = "self_attn.q_b_proj",
                               .kv_a = "self_attn.kv_a_proj_with_mqa",
                               .kv_a_norm = "self_attn.kv_a_layernorm",
                               .kv_b = "self_attn.kv_b_proj"};
constexpr LanguageNames kInternLm2{.token_embed = "model.tok_embeddings",
                                   .norm = "model.norm",
                                   .head = "output",
                                   .block = "model.layers.{}.",
                                   .norm1 = "attention_norm",
                                   .norm2 = "ffn_norm",
                                   .packing = Packing::Grouped,
                                   .qkv = "attention.wqkv",
                                   .proj = "attention.wo",
                                   .gate = "feed_forward.w1",
                                   .up = "feed_forward.w3",
                                   .down = "feed_forward.w2"};
constexpr LanguageNames kPhi{.token_embed = "model.embed_tokens",
                             .norm = "model.final_layernorm",
                             .head = "lm_head",
                             .block = "model.layers.{}.",
                             .norm1 = "input_layernorm",
                             .q = "self_attn.q_proj",
                             .k = "self_attn.k_proj",
                             .v = "self_attn.v_proj",
                             .proj = "self_attn.dense",
                             .q_norm = "self_attn.q_layernorm",
                             .k_norm = "self_attn.k_layernorm",
                             .up = "mlp.fc1",
                             .down = "mlp.fc2"};
constexpr LanguageNames kNeoX{.token_embed = "gpt_neox.embed_in",
                              .norm = "gpt_neox.final_layer_norm",
                              .head = "embed_out",
                              .block = "gpt_neox.layers.{}.",
                              .norm1 = "input_layernorm",
                              .norm2 = "post_attention_layernorm",
                              .packing = Packing::Grouped,
                              .qkv = "attention.query_key_value",
                              .proj = "attention.dense",
                              .up = "mlp.dense_h_to_4h",
                              .down = "mlp.dense_4h_to_h"};

constexpr LanguageNames gguf_names(Packing packing, bool interleaved) {
  return {.token_embed = "token_embd",
          .norm = "output_norm",
          .head = "output",
          .block = "blk.{}.",
          .norm1 = "attn_norm",
          .norm2 = "ffn_norm",
          .packing = packing,
          .q = "attn_q",
          .k = "attn_k",
          .v = "attn_v",
          .qkv = "attn_qkv",
          .proj = "attn_output",
          .q_norm = "attn_q_norm",
          .k_norm = "attn_k_norm",
          .gate = "ffn_gate",
          .up = "ffn_up",
          .down = "ffn_down",
          .interleaved = interleaved,
          .q_a = "attn_q_a",
          .q_a_norm = "attn_q_a_norm",
          .q_b = "attn_q_b",
          .kv_a = "attn_kv_a_mqa",
          .kv_a_norm = "attn_kv_a_norm",
          .kv_b = "attn_kv_b"};
}
constexpr LanguageNames kGguf = gguf_names(Packing::Separate, false);
constexpr LanguageNames kGgufInterleaved = gguf_names(Packing::Separate, true);
constexpr LanguageNames kGgufStacked = gguf_names(Packing::Stacked, false);

// What config.json and the metadata keys say beyond what all share.
void read_minicpm(const ConfigReader& r, Language& l) {
  DecoderConfig& c = l.decoder;
  double scale_depth = r.number("scale_depth", 0, 1e3, std::sqrt(static_cast<double>(c.n_blocks)));
  c.embed_scale = r.number("scale_emb", 0, 1e4, 1);
  c.residual_scale = static_cast<float>(scale_depth / std::sqrt(static_cast<double>(c.n_blocks)));
  c.logit_scale = static_cast<float>(r.number("dim_model_base", 1, 1e6, c.d_model) / static_cast<double>(c.d_model));
  c.mlp.n_experts = r.integer("num_experts", 0, 256, 0);
  if (c.mlp.n_experts > 0)
    c.mlp.n_experts_used = r.integer("num_experts_per_tok", 1, c.mlp.n_experts, std::min(2, c.mlp.n_experts));
}

// Widths of transformers' MiniCPM3Config and of the published size where a field is missing.
void read_minicpm3(const ConfigReader& r, Language& l) {
  read_minicpm(r, l);
  DecoderConfig& c = l.decoder;
  LatentConfig latent{.q_rank = r.integer("q_lora_rank", 1, kMaxWidth, 0),
                      .kv_rank = r.integer("kv_lora_rank", 1, kMaxWidth, 256),
                      .d_nope = r.integer("qk_nope_head_dim", 1, kMaxWidth, 64),
                      .d_rope = r.integer("qk_rope_head_dim", 2, kMaxWidth, 32),
                      .d_value = r.integer("v_head_dim", 1, kMaxWidth, std::max(1, c.d_model / c.n_heads))};
  c.n_kv_heads = c.n_heads;
  c.head_width = latent.d_head();
  c.n_rotary = latent.d_rope;
  c.latent = latent;
  l.proj_bias = r.boolean("attention_bias", false);
  l.mlp_bias = r.boolean("mlp_bias", false);
}

void read_qwen2(const ConfigReader&, Language& l) { l.qkv_bias = true; }
void read_qwen3(const ConfigReader&, Language& l) {
  l.decoder.head_norm = HeadNorm::Rms;
  l.decoder.head_norm_eps = l.decoder.eps;
}
void read_nothing(const ConfigReader&, Language&) {}

void read_layer_norm_model(const ConfigReader& r, Language& l, float rotary) {
  DecoderConfig& c = l.decoder;
  c.norm = NormKind::Layer;
  c.eps = r.number("layer_norm_eps", 0, 1, 1e-5);
  c.mlp.gated = false;
  l.qkv_bias = l.proj_bias = l.mlp_bias = true;
  c.n_rotary = static_cast<int>(std::lround(rotary * static_cast<float>(c.d_head())));
}

void read_phi(const ConfigReader& r, Language& l) {
  read_layer_norm_model(r, l, r.number("partial_rotary_factor", 0, 1, 0.5));
  l.decoder.parallel = l.decoder.shared_norm = l.head_bias = true;
  l.decoder.mlp.activation = UnaryKind::GeluTanh;
  if (!r.boolean("qk_layernorm", false)) return;
  l.decoder.head_norm = HeadNorm::Layer;
  l.decoder.head_norm_eps = l.decoder.eps;
}

void read_neox(const ConfigReader& r, Language& l) {
  read_layer_norm_model(r, l, r.number("rotary_pct", 0, 1, r.number("partial_rotary_factor", 0, 1, 0.25)));
  l.decoder.parallel = r.boolean("use_parallel_residual", true);
  l.decoder.rope_base = r.number("rotary_emb_base", 1, 1e12, l.decoder.rope_base);
  l.decoder.mlp.activation = UnaryKind::GeluErf;
}

struct Architecture {
  std::string_view type;  // model_type of config.json
  std::string_view gguf;  // general.architecture
  const LanguageNames* names;
  const LanguageNames* gguf_names;
  bool tied;  // where tie_word_embeddings is not given
  void (*read)(const ConfigReader&, Language&);
};

constexpr Architecture kArchitectures[] = {
    {"minicpm", "minicpm", &kLlama, &kGgufInterleaved, true, read_minicpm},
    {"minicpm3", "minicpm3", &kLlama, &kGguf, true, read_minicpm3},
    {"llama", "llama", &kLlama, &kGgufInterleaved, false, read_nothing},
    {"qwen2", "qwen2", &kLlama, &kGguf, false, read_qwen2},
    {"qwen3", "qwen3", &kLlama, &kGguf, false, read_qwen3},
    {"internlm2", "internlm2", &kInternLm2, &kGgufInterleaved, false, read_nothing},
    {"phi", "phi2", &kPhi, &kGguf, false, read_phi},
    {"gpt_neox", "gptneox", &kNeoX, &kGgufStacked, false, read_neox},
};

const Architecture* find_architecture(const Json& config) {
  std::string type = model_type(config);
  for (const Architecture& a : kArchitectures)
    if (a.type == type) return &a;
  return nullptr;
}

void check_heads(const DecoderConfig& c, const std::string& subject) {
  bool fits = c.head_width > 0 || c.d_model % c.n_heads == 0;
  if (!fits || c.n_heads % c.n_kv_heads != 0 || c.d_head() % 2 != 0)
    throw invalid_input("{}: hidden_size {} does not split into {} heads of an even width ({} for keys)", subject,
                        c.d_model, c.n_heads, c.n_kv_heads);
  int64_t width = int64_t{c.n_heads} * c.d_head();
  if (c.latent) width += int64_t{c.n_heads} * c.latent->d_value;
  if (width > kMaxWidth || width * c.n_blocks > kMaxRows)
    throw invalid_input("{}: {} blocks of {} heads of {} channels; the limit is {} channels in a block, {} in all",
                        subject, c.n_blocks, c.n_heads, c.d_head(), kMaxWidth, kMaxRows);
}

std::string in_block(const LanguageNames& n, const std::string& prefix, int i) {
  return prefix + fmt::format(fmt::runtime(n.block), i);
}

// One of q, k, v with its place in a packed or interleaved matrix.
void projection_rows(SpecList& rows, const Language& l, const LanguageNames& n, char which, const std::string& name,
                     const std::string& block) {
  const DecoderConfig& c = l.decoder;
  int heads = which == 'q' ? c.n_heads : c.n_kv_heads, total = (c.n_heads + 2 * c.n_kv_heads) * c.d_head();
  std::string_view own = which == 'q' ? n.q : which == 'k' ? n.k : n.v;
  std::string part = block + std::string(n.packing == Packing::Separate ? own : n.qkv);
  auto place = [&](WeightSpec& spec) {
    StoredAs& as = spec.stored;
    if (n.packing == Packing::Grouped) as.rows = grouped_rows(which, c.n_heads, c.n_kv_heads, c.d_head());
    if (n.packing == Packing::Stacked) {
      int first = which == 'q' ? 0 : which == 'k' ? c.n_heads : c.n_heads + c.n_kv_heads;
      as.rows.resize(static_cast<size_t>(heads * c.d_head()));
      std::iota(as.rows.begin(), as.rows.end(), first * c.d_head());
    }
    if (n.packing != Packing::Separate) as.stored_rows = total;
    if (n.interleaved && which != 'v') as.rows = interleaved_rows(heads, c.d_head());
  };
  rows.matrix(name + ".weight", heads * c.d_head(), c.d_model, {part + ".weight"});
  place(rows.last());
  if (!l.qkv_bias) return;
  rows.bias(name + ".bias", heads * c.d_head(), {part + ".bias"});
  place(rows.last());
}

void latent_rows(SpecList& rows, const Language& l, const LanguageNames& n, const std::string& name,
                 const std::string& block) {
  const LatentConfig& c = *l.decoder.latent;
  int heads = l.decoder.n_heads, d = l.decoder.d_model;
  auto matrix = [&](const char* own, std::string_view part, int n_out, int n_in, bool bias) {
    rows.linear(name + own, n_out, n_in, block + std::string(part), bias);
  };
  auto gain = [&](const char* own, std::string_view part, int width) {
    rows.gain(name + own, width, block + std::string(part) + ".weight");
  };
  if (c.q_rank == 0) {
    matrix(".q", n.q, heads * c.d_head(), d, false);
  } else {
    matrix(".q_a", n.q_a, c.q_rank, d, l.proj_bias);
    gain(".q_a_norm.weight", n.q_a_norm, c.q_rank);
    matrix(".q_b", n.q_b, heads * c.d_head(), c.q_rank, false);
  }
  matrix(".kv_a", n.kv_a, c.kv_rank + c.d_rope, d, l.proj_bias);
  gain(".kv_a_norm.weight", n.kv_a_norm, c.kv_rank);
  matrix(".kv_b", n.kv_b, heads * (c.d_nope + c.d_value), c.kv_rank, false);
}

void norm_rows(SpecList& rows, const Language& l, const std::string& name, int width, const std::string& part) {
  if (l.decoder.norm == NormKind::Layer) return rows.layer_norm(name, width, part);
  rows.gain(name + ".weight", width, part + ".weight");
}

// MoE of MiniCPM: mlp.gate is the router, mlp.experts.{e}.w1 / w3 / w2 are gate, up and down.
void expert_rows(SpecList& rows, const Language& l, Dialect dialect, const std::string& name,
                 const std::string& block) {
  const DecoderConfig& c = l.decoder;
  bool gguf = dialect == Dialect::LlamaCpp;
  int n = c.mlp.n_experts;
  rows.linear(name + ".router", n, c.d_model, block + (gguf ? "ffn_gate_inp" : "mlp.gate"), false);
  rows.last().quantizable = false;
  auto experts = [&](const char* own, const char* reference, const char* stacked, int64_t n_out, int64_t n_in) {
    std::vector<std::string> parts;
    for (int e = 0; e < n; ++e) parts.push_back(fmt::format("{}mlp.experts.{}.{}.weight", block, e, reference));
    if (gguf) parts = {block + stacked + std::string(".weight")};
    rows.table(name + own, {n, n_out, n_in}, parts);
    rows.last().quantizable = true;
  };
  experts(".gate.weight", "w1", "ffn_gate_exps", c.d_ffn, c.d_model);
  experts(".up.weight", "w3", "ffn_up_exps", c.d_ffn, c.d_model);
  experts(".down.weight", "w2", "ffn_down_exps", c.d_model, c.d_ffn);
}

void mlp_rows(SpecList& rows, const Language& l, const LanguageNames& n, const std::string& name,
              const std::string& block) {
  const DecoderConfig& c = l.decoder;
  bool gated = c.mlp.gated;
  if (gated) rows.linear(name + ".gate", c.d_ffn, c.d_model, block + std::string(n.gate), l.mlp_bias);
  rows.linear(name + (gated ? ".up" : ".fc1"), c.d_ffn, c.d_model, block + std::string(n.up), l.mlp_bias);
  rows.linear(name + (gated ? ".down" : ".fc2"), c.d_model, c.d_ffn, block + std::string(n.down), l.mlp_bias);
}

void block_rows(SpecList& rows, const Language& l, const LanguageNames& n, Dialect dialect, const std::string& prefix,
                int i) {
  const DecoderConfig& c = l.decoder;
  std::string name = fmt::format("text.blocks.{}", i), block = in_block(n, prefix, i);
  norm_rows(rows, l, name + ".norm1", c.d_model, block + std::string(n.norm1));
  if (c.latent)
    latent_rows(rows, l, n, name + ".attn", block);
  else
    for (char which : {'q', 'k', 'v'}) projection_rows(rows, l, n, which, name + ".attn." + which, block);
  int d_value = c.latent ? c.latent->d_value : c.d_head();
  if (c.head_norm != HeadNorm::None) {
    auto head_norm = [&](const char* own, std::string_view part) {
      rows.gain(name + own + std::string(".weight"), c.d_head(), block + std::string(part) + ".weight");
      if (c.head_norm == HeadNorm::Layer)
        rows.bias(name + own + std::string(".bias"), c.d_head(), {block + std::string(part) + ".bias"});
    };
    head_norm(".attn.q_norm", n.q_norm);
    head_norm(".attn.k_norm", n.k_norm);
  }
  rows.linear(name + ".attn.proj", c.d_model, c.n_heads * d_value, block + std::string(n.proj), l.proj_bias);
  if (!c.shared_norm) norm_rows(rows, l, name + ".norm2", c.d_model, block + std::string(n.norm2));
  if (c.mlp.n_experts > 0) return expert_rows(rows, l, dialect, name + ".mlp", block);
  mlp_rows(rows, l, n, name + ".mlp", block);
}

}  // namespace

std::vector<int32_t> grouped_rows(char which, int n_heads, int n_kv_heads, int d_head) {
  int per_kv = n_heads / n_kv_heads, group = (per_kv + 2) * d_head;
  std::vector<int32_t> rows;
  for (int kv = 0; kv < n_kv_heads; ++kv) {
    int first = which == 'q' ? 0 : which == 'k' ? per_kv : per_kv + 1, n = which == 'q' ? per_kv : 1;
    for (int row = 0; row < n * d_head; ++row) rows.push_back(kv * group + first * d_head + row);
  }
  return rows;
}

std::vector<int32_t> interleaved_rows(int n_heads, int d_head) {
  std::vector<int32_t> rows;
  for (int head = 0; head < n_heads; ++head)
    for (int half = 0; half < 2; ++half)
      for (int i = 0; i < d_head / 2; ++i) rows.push_back(head * d_head + 2 * i + half);
  return rows;
}

bool is_language(const Json& config) { return find_architecture(config) != nullptr; }

Json with_chat_template(Json config, std::string_view jinja) {
  const ChatTemplate* chat = is_language(config) ? detect_chat_template(jinja) : nullptr;
  if (chat && !config.contains("chat_template_name")) config["chat_template_name"] = chat->name;
  return config;
}

Language read_language(const Json& json, const std::string& subject) {
  const Architecture* a = find_architecture(json);
  if (!a)
    throw unsupported("{}: language model of type {}; `galago models` lists what is known", subject,
                      model_type(json).empty() ? "(none)" : model_type(json));
  Json config = with_rope_fields(json);
  ConfigReader r(config, subject);
  Language l{.type = std::string(a->type), .names = a->names, .gguf_names = a->gguf_names};
  DecoderConfig& c = l.decoder;
  c.d_model = r.integer("hidden_size", 8, kMaxWidth);
  c.d_ffn = r.integer("intermediate_size", 8, kMaxWidth);
  c.n_vocab = r.integer("vocab_size", 8, kMaxVocab);
  c.n_blocks = r.integer("num_hidden_layers", 1, kMaxLayers);
  c.n_heads = r.integer("num_attention_heads", 1, kMaxHeads);
  c.n_kv_heads = r.integer("num_key_value_heads", 1, kMaxHeads, c.n_heads);
  c.head_width = r.integer("head_dim", 2, kMaxWidth, c.d_model / c.n_heads);
  c.eps = r.number("rms_norm_eps", 0, 1, 1e-5);
  c.rope_base = r.number("rope_theta", 1, 1e12, 10000);
  l.max_context = r.integer("max_position_embeddings", 1, kMaxContext, 4096);
  l.tied = r.boolean("tie_word_embeddings", a->tied);
  a->read(r, l);
  check_heads(c, subject);
  read_rope_scaling(config, l, subject);
  return l;
}

CacheSpec cache_of(const Language& l) {
  const DecoderConfig& c = l.decoder;
  CacheSpec spec{c.n_blocks, c.n_kv_heads, c.d_head(), l.max_context, c.latent ? c.latent->d_value : 0};
  spec.table_grows = c.rope_dynamic > 0;
  spec.table_until = spec.table_grows || !c.rope_long_factors.empty() ? c.rope_trained : 0;
  return spec;
}

void language_rows(SpecList& rows, const Language& l, Dialect dialect, const std::string& prefix) {
  const LanguageNames& n = dialect == Dialect::LlamaCpp ? *l.gguf_names : *l.names;
  const DecoderConfig& c = l.decoder;
  std::string embedding = prefix + std::string(n.token_embed) + ".weight", head = prefix + std::string(n.head);
  rows.matrix("text.token_embed.weight", c.n_vocab, c.d_model, {embedding});
  for (int i = 0; i < c.n_blocks; ++i) block_rows(rows, l, n, dialect, prefix, i);
  norm_rows(rows, l, "text.norm", c.d_model, prefix + std::string(n.norm));
  rows.linear("text.head", c.n_vocab, c.d_model, head, l.head_bias);
  if (l.tied) rows.last().optional = true;  // some files store the copy
}

Json language_config_from_gguf(const GgufFile& file) {
  std::string arch(file.get_string("general.architecture", ""));
  const Architecture* a = nullptr;
  for (const Architecture& row : kArchitectures)
    if (row.gguf == arch) a = &row;
  if (!a) return nullptr;
  auto key = [&](const char* name) { return arch + "." + name; };
  int64_t n_blocks = file.get_count(key("block_count"), 1, kMaxLayers);
  int64_t d = file.get_count(key("embedding_length"), 8, kMaxWidth);
  int64_t heads = file.get_count(key("attention.head_count"), 1, kMaxHeads);
  const GgufTensor* embedding = file.find_tensor("token_embd.weight");
  if (!embedding || embedding->shape.rank() != 2)
    throw invalid_input("{}: no matrix token_embd.weight; this is no text model", file.path());
  Json config{{"model_type", a->type},
              {"hidden_size", d},
              {"intermediate_size", file.get_count(key("feed_forward_length"), 8, kMaxWidth)},
              {"num_hidden_layers", n_blocks},
              {"num_attention_heads", heads},
              {"num_key_value_heads", file.get_count(key("attention.head_count_kv"), 1, kMaxHeads, heads)},
              {"head_dim", file.get_count(key("attention.key_length"), 2, kMaxWidth, d / heads)},
              {"vocab_size", embedding->shape[0]},
              {"max_position_embeddings", file.get_count(key("context_length"), 1, kMaxContext, 4096)},
              {"rms_norm_eps", file.get_f32(key("attention.layer_norm_rms_epsilon"), 1e-5f)},
              {"layer_norm_eps", file.get_f32(key("attention.layer_norm_epsilon"), 1e-5f)},
              {"rope_theta", file.get_f32(key("rope.freq_base"), 10000)},
              {"rotary_emb_base", file.get_f32(key("rope.freq_base"), 10000)},
              {"tie_word_embeddings", !file.has("output.weight")}};
  double rotary = static_cast<double>(file.get_count(key("rope.dimension_count"), 2, kMaxWidth, d / heads));
  config["partial_rotary_factor"] = config["rotary_pct"] = rotary / config["head_dim"].get<double>();
  if (file.has_key(key("use_parallel_residual")))
    config["use_parallel_residual"] = file.get_bool(key("use_parallel_residual"));
  config["rope_scaling"] = rope_scaling_from_gguf(file, arch + ".", config["max_position_embeddings"]);
  if (a->type == "minicpm3") {
    int64_t turning = file.get_count(key("rope.dimension_count"), 2, kMaxWidth, 32);
    config["q_lora_rank"] = file.get_count(key("attention.q_lora_rank"), 1, kMaxWidth);
    config["kv_lora_rank"] = file.get_count(key("attention.kv_lora_rank"), 1, kMaxWidth);
    config["qk_rope_head_dim"] = turning;
    config["qk_nope_head_dim"] = config["head_dim"].get<int64_t>() - turning;
    config["v_head_dim"] = d / heads;
  }
  if (a->read == read_minicpm || a->read == read_minicpm3) {  // without scales in the file the published ones hold
    double root = std::sqrt(static_cast<double>(n_blocks)), width = static_cast<double>(d);
    config["scale_emb"] = file.get_f32(key("embedding_scale"), 12);
    config["scale_depth"] = file.get_f32(key("residual_scale"), static_cast<float>(1.4 / root)) * root;
    config["dim_model_base"] = width / file.get_f32(key("logit_scale"), static_cast<float>(width / 256));
    config["num_experts"] = file.get_count(key("expert_count"), 0, 256, 0);
    config["num_experts_per_tok"] = file.get_count(key("expert_used_count"), 0, 256, 2);
  }
  return with_chat_template(config, file.get_string("tokenizer.chat_template", ""));
}

}  // namespace galago
