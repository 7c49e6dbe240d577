#include "models/language_rope.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace galago {
namespace {

std::vector<float> read_factors(const Json& scaling, const char* field, const Language& l, const std::string& subject) {
  size_t n = static_cast<size_t>(l.decoder.n_turning() / 2);
  auto found = scaling.find(field);
  if (found == scaling.end() || !found->is_array() || found->size() != n)
    throw invalid_input("{}: rope_scaling.{}: expected {} numbers, one for each pair of channels", subject, field, n);
  std::vector<float> factors;
  for (const Json& factor : *found) {
    if (!factor.is_number() || !(factor.get<double>() > 0))
      throw invalid_input("{}: rope_scaling.{} holds {}; expected positive numbers", subject, field, factor.dump());
    factors.push_back(factor.get<float>());
  }
  return factors;
}

// Inverse frequencies divided by one factor a channel pair, cos and sin times attention factor (LongRoPE, arXiv
// 2402.13753; Phi-3, MiniCPM3, MiniCPM4).
void read_long_rope(const Json& scaling, Language& l, const std::string& subject) {
  ConfigReader r(scaling, subject + ": rope_scaling");
  DecoderConfig& c = l.decoder;
  c.rope_trained = r.integer("original_max_position_embeddings", 2, kMaxContext);
  c.rope_long_factors = read_factors(scaling, "long_factor", l, subject);
  c.rope_factors = read_factors(scaling, "short_factor", l, subject);
  double ratio = std::max(1.0, static_cast<double>(l.max_context) / c.rope_trained);
  c.rope_scale = r.number("attention_factor", 1e-3, 1e3, std::sqrt(1 + std::log(ratio) / std::log(c.rope_trained)));
}

// NTK-aware scaling that depends on the length of the context (transformers; MiniCPM-2B-128k, InternLM2). The
// reference knows no longest context; here it is the trained one times the factor.
void read_dynamic_rope(const ConfigReader& r, Language& l) {
  DecoderConfig& c = l.decoder;
  c.rope_dynamic = r.number("factor", 1, 1e4, 1);
  c.rope_trained = l.max_context;
  double longest = static_cast<double>(l.max_context) * static_cast<double>(c.rope_dynamic);
  l.max_context = static_cast<int>(std::min(longest, static_cast<double>(kMaxContext)));
}

// Llama 3.1: low frequencies are slowed down by `factor`, high ones kept, those between blended.
void read_llama3_rope(const Json& scaling, Language& l, const std::string& subject) {
  ConfigReader r(scaling, subject + ": rope_scaling");
  double factor = r.number("factor", 1, 1e6), low = r.number("low_freq_factor", 0, 1e6, 1),
         high = r.number("high_freq_factor", 0, 1e6, 4);
  double original = r.integer("original_max_position_embeddings", 1, kMaxContext, 8192);
  int n = l.decoder.n_turning();
  for (int i = 0; i < n / 2; ++i) {
    double wave = 2 * M_PI * std::pow(static_cast<double>(l.decoder.rope_base), 2.0 * i / n);
    double smooth = std::clamp((original / wave - low) / (high - low), 0.0, 1.0);
    l.decoder.rope_factors.push_back(static_cast<float>(1 / ((1 - smooth) / factor + smooth)));
  }
}

Json factor_tensor(const GgufFile& file, const char* name) {
  Tensor factors = file.get(name);
  if (factors.dtype() != DType::F32 || factors.shape().rank() != 1)
    throw invalid_input("{}: tensor {}: expected one row of f32", file.path(), name);
  Json list = Json::array();
  for (float factor : factors.f32()) list.push_back(factor);
  return list;
}

}  // namespace

Json with_rope_fields(Json config) {
  auto found = config.find("rope_parameters");
  if (found == config.end() || !found->is_object()) return config;
  Json rope = *found;
  for (const char* field : {"rope_theta", "partial_rotary_factor"})
    if (rope.contains(field)) config[field] = rope[field];
  config["rope_scaling"] = rope;
  return config;
}

void read_rope_scaling(const Json& config, Language& l, const std::string& subject) {
  auto found = config.find("rope_scaling");
  if (found == config.end() || found->is_null()) return;
  ConfigReader r(*found, subject + ": rope_scaling");
  std::string type = r.text("rope_type", r.text("type", "default"));
  if (type == "longrope") return read_long_rope(*found, l, subject);
  if (type == "llama3") return read_llama3_rope(*found, l, subject);
  if (type == "linear") {
    float factor = r.number("factor", 1e-3, 1e6);
    l.decoder.rope_factors.assign(static_cast<size_t>(l.decoder.n_turning() / 2), factor);
    return;
  }
  if (type == "dynamic") return read_dynamic_rope(r, l);
  if (type != "default")
    throw unsupported("{}: rope_scaling of type {}; galago knows linear, dynamic, longrope and llama3", subject, type);
}

Json rope_scaling_from_gguf(const GgufFile& file, const std::string& arch, int64_t context) {
  std::string keys = arch + "rope.scaling.", type(file.get_string(keys + "type", "none"));
  if (type == "linear") return {{"type", type}, {"factor", file.get_f32(keys + "factor", 1)}};
  bool is_long = file.has("rope_factors_long.weight") && file.has("rope_factors_short.weight");
  if (!is_long && !file.has("rope_freqs.weight"))
    return type == "none" || type == "longrope" ? Json() : Json{{"type", type}};
  Json scaling{
      {"type", "longrope"},
      {"original_max_position_embeddings", file.get_count(keys + "original_context_length", 2, kMaxContext, context)},
      {"short_factor", factor_tensor(file, is_long ? "rope_factors_short.weight" : "rope_freqs.weight")},
      {"long_factor", factor_tensor(file, is_long ? "rope_factors_long.weight" : "rope_freqs.weight")}};
  if (!is_long) scaling["attention_factor"] = 1;  // Llama 3.1
  if (file.has_key(keys + "attn_factor")) scaling["attention_factor"] = file.get_f32(keys + "attn_factor");
  return scaling;
}

}  // namespace galago
