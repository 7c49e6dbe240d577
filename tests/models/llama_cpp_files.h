// GGUF files as llama.cpp's converter writes them, from canonical weights: names and orders of rows are written down
// here a second time, after convert_hf_to_gguf.py, so that the reader is not compared with itself.
#pragma once

#include <string>

#include "formats/gguf_writer.h"
#include "models/model.h"
#include "runtime/checkpoint.h"

namespace galago::testing {

// LlamaModel.permute: w.reshape(heads, 2, d_head / 2, ...).swapaxes(1, 2).
inline Tensor permuted(const Tensor& w, int64_t n_heads) {
  Tensor to = Tensor::make(DType::F32, w.shape());
  int64_t half = w.shape()[0] / n_heads / 2, row = w.shape().elements() / w.shape()[0];
  for (int64_t head = 0; head < n_heads; ++head)
    for (int64_t part = 0; part < 2; ++part)
      for (int64_t i = 0; i < half; ++i)
        for (int64_t c = 0; c < row; ++c)
          to.f32()[static_cast<size_t>(((head * half + i) * 2 + part) * row + c)] =
              w.f32()[static_cast<size_t>(((head * 2 + part) * half + i) * row + c)];
  return to;
}

inline void replace(std::string& text, const std::string& from, const std::string& to) {
  if (size_t at = text.find(from); at != text.npos) text.replace(at, from.size(), to);
}

// "text.blocks.0.attn.q.weight" -> "blk.0.attn_q.weight".
inline std::string llama_cpp_text_name(std::string name, bool experts) {
  constexpr const char* kNames[][2] = {{"text.token_embed", "token_embd"},
                                       {"text.norm", "output_norm"},
                                       {"text.head", "output"},
                                       {"text.blocks.", "blk."},
                                       {".norm1.", ".attn_norm."},
                                       {".norm2.", ".ffn_norm."},
                                       {".attn.proj", ".attn_output"},
                                       {".attn.kv_a.", ".attn_kv_a_mqa."},
                                       {".attn.q_norm", ".attn_q_norm"},
                                       {".attn.k_norm", ".attn_k_norm"},
                                       {".attn.", ".attn_"},
                                       {".mlp.router", ".ffn_gate_inp"},
                                       {".mlp.fc1", ".ffn_up"},
                                       {".mlp.fc2", ".ffn_down"}};
  for (auto& [from, to] : kNames) replace(name, from, to);
  for (const char* own : {"gate", "up", "down"})
    replace(name, std::string(".mlp.") + own, std::string(".ffn_") + own + (experts ? "_exps" : ""));
  return name;
}

struct LlamaCppOptions {
  std::string architecture;
  bool permute = false;    // q and k
  bool stack_qkv = false;  // GPT-NeoX: attn_qkv
  bool scale_keys = true;  // of MiniCPM
};

// longrope: two tensors of factors, and the length of training. The converter says nothing of dynamic scaling.
inline void add_rope_factors(GgufWriter& writer, const Json& c, const std::string& architecture) {
  if (!c.contains("rope_scaling") || c["rope_scaling"].is_null()) return;
  const Json& scaling = c["rope_scaling"];
  if (scaling.value("rope_type", scaling.value("type", "")) != "longrope") return;
  writer.set_string(architecture + ".rope.scaling.type", "longrope");
  writer.set<uint32_t>(architecture + ".rope.scaling.original_context_length",
                       scaling["original_max_position_embeddings"].get<uint32_t>());
  for (const char* which : {"short", "long"}) {
    auto factors = scaling[which + std::string("_factor")].get<std::vector<float>>();
    writer.add(fmt::format("rope_factors_{}.weight", which), Tensor::from({std::ssize(factors)}, factors));
  }
}

inline void add_text_metadata(GgufWriter& writer, const Json& c, const LlamaCppOptions& o) {
  auto count = [&](const char* key, int64_t value) {
    writer.set<uint32_t>(o.architecture + "." + key, static_cast<uint32_t>(value));
  };
  auto number = [&](const char* key, double value) {
    writer.set<float>(o.architecture + "." + key, static_cast<float>(value));
  };
  int64_t d = c["hidden_size"], heads = c["num_attention_heads"], blocks = c["num_hidden_layers"];
  int64_t d_head = c.value("head_dim", d / heads);
  writer.set_string("general.architecture", o.architecture);
  count("block_count", blocks);
  count("embedding_length", d);
  count("feed_forward_length", c["intermediate_size"]);
  count("context_length", c.value("max_position_embeddings", 4096));
  count("attention.head_count", heads);
  count("attention.head_count_kv", c.value("num_key_value_heads", heads));
  if (o.architecture == "minicpm3") {
    d_head = c["qk_nope_head_dim"].get<int64_t>() + c["qk_rope_head_dim"].get<int64_t>();
    count("attention.q_lora_rank", c["q_lora_rank"]);
    count("attention.kv_lora_rank", c["kv_lora_rank"]);
  }
  count("attention.key_length", d_head);
  bool layer_norm = o.architecture == "phi2" || o.architecture == "gptneox";
  number(layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
         c.value(layer_norm ? "layer_norm_eps" : "rms_norm_eps", 1e-5));
  number("rope.freq_base", c.value("rope_theta", 10000.0));
  double rotary = c.value("partial_rotary_factor", c.value("rotary_pct", 1.0));
  bool latent = c.contains("qk_rope_head_dim");
  count("rope.dimension_count",
        latent ? c["qk_rope_head_dim"].get<int64_t>() : static_cast<int64_t>(rotary * static_cast<double>(d_head)));
  if (o.architecture == "gptneox") writer.set<bool>("gptneox.use_parallel_residual", true);
  if (c.contains("num_experts")) count("expert_count", c["num_experts"]);
  if (c.contains("num_experts")) count("expert_used_count", c["num_experts_per_tok"]);
  if (o.architecture != "minicpm" || !o.scale_keys) return;
  number("embedding_scale", c["scale_emb"].get<double>());
  number("residual_scale", c["scale_depth"].get<double>() / std::sqrt(static_cast<double>(blocks)));
  number("logit_scale", static_cast<double>(d) / c["dim_model_base"].get<double>());
}

inline void add_text_weights(GgufWriter& writer, const Weights& weights, const Json& c, const LlamaCppOptions& o) {
  int64_t heads = c["num_attention_heads"], kv_heads = c.value("num_key_value_heads", heads);
  std::map<std::string, std::vector<Tensor>> stacked;  // attn_qkv: q, k, v
  for (const char* which : {"q", "k", "v"})
    for (auto& [name, weight] : weights) {
      if (!name.starts_with("text.")) continue;
      bool own = name.find(std::string(".attn.") + which + ".") != name.npos;
      bool other = !own && (name.find(".attn.q.") != name.npos || name.find(".attn.k.") != name.npos ||
                            name.find(".attn.v.") != name.npos);
      if (other || (!own && *which != 'q')) continue;  // what is none of the three goes with q
      std::string stored = llama_cpp_text_name(name, c.contains("num_experts"));
      Tensor data = to_f32(weight->data);
      if (own && o.stack_qkv) {
        replace(stored, std::string("attn_") + which, "attn_qkv");
        stacked[stored].push_back(data);
      } else {
        if (own && o.permute && *which != 'v') data = permuted(data, *which == 'q' ? heads : kv_heads);
        writer.add(stored, data);
      }
    }
  for (auto& [name, parts] : stacked) {
    Shape shape = parts[0].shape();
    shape[0] *= 3;
    Tensor whole = Tensor::make(DType::F32, shape);
    auto to = whole.f32().begin();
    for (Tensor& part : parts) to = std::copy(part.f32().begin(), part.f32().end(), to);
    writer.add(name, whole);
  }
}

inline void write_llama_cpp_text(const std::string& path, const Json& config, const Weights& weights,
                                 const LlamaCppOptions& options) {
  GgufWriter writer;
  add_text_metadata(writer, config, options);
  add_text_weights(writer, weights, config, options);
  add_rope_factors(writer, config, options.architecture);
  writer.save(path);
}

}  // namespace galago::testing
