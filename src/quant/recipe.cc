// The mixes and the replacement of formats whose blocks do not divide a row follow llama.cpp (ggml-org/llama.cpp,
// src/llama-quant.cpp), so that files of one name have the size and quality that people know; vision is kept at 8 bits.
#include "quant/recipe.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "formats/gguf_types.h"

namespace galago {
namespace {

struct NamedRecipe {
  std::string_view name;
  QuantRecipe recipe;
};

QuantRecipe mix(uint32_t file_type, DType matrix, LayerChoice values = {}, LayerChoice feed_forward_out = {},
                LayerChoice attention_out = {}) {
  return {.matrix = matrix,
          .vision = DType::Q8_0,
          .head = DType::Q6_K,
          .values = values,
          .attention_out = attention_out,
          .feed_forward_out = feed_forward_out,
          .file_type = file_type};
}

const std::vector<NamedRecipe>& mixes() {
  using enum DType;
  constexpr LayerChoice kMore{Layers::More, Q6_K};
  static const std::vector<NamedRecipe> kMixes = {
      //        number  matrix  values                              out of the feed-forward              of attention
      {"q2_k", mix(10, Q2_K, {Layers::SharedHeads, Q4_K, Q3_K}, {Layers::All, Q3_K}, {Layers::All, Q3_K})},
      {"q2_k_s", mix(21, Q2_K, {Layers::SharedHeads, Q4_K}, {Layers::FirstEighth, Q4_K})},
      {"q3_k_s", mix(11, Q3_K)},
      {"q3_k_m",
       mix(12, Q3_K, {Layers::First2, Q5_K, Q4_K}, {Layers::FirstSixteenth, Q5_K, Q4_K}, {Layers::All, Q4_K})},
      {"q3_k_l", mix(13, Q3_K, {Layers::All, Q5_K}, {Layers::All, Q5_K}, {Layers::All, Q5_K})},
      {"q4_k_s", mix(14, Q4_K, {Layers::First4, Q5_K}, {Layers::FirstEighth, Q5_K})},
      {"q4_k_m", mix(15, Q4_K, kMore, kMore)},
      {"q5_k_s", mix(16, Q5_K)},
      {"q5_k_m", mix(17, Q5_K, kMore, kMore)},
      {"iq4_nl", mix(25, IQ4_NL, {Layers::SharedHeads, Q5_K}, {Layers::FirstEighthUnweighted, Q5_K})},
      {"iq4_xs", mix(30, IQ4_XS, {Layers::SharedHeads, Q5_K}, {Layers::FirstEighthUnweighted, Q5_K})},
      // BlueLM-V-3B (arXiv 2411.10640): 4-bit language model, 8-bit vision; 8-bit embeddings are our choice.
      {"bluelm_mobile", {.matrix = Q4_0, .vision = Q8_0, .embedding = Q8_0}},
  };
  return kMixes;
}

const NamedRecipe* find_mix(std::string_view name) {
  auto found = std::ranges::find(mixes(), name, &NamedRecipe::name);
  return found == mixes().end() ? nullptr : &*found;
}

bool holds_weights(const DTypeInfo& type) { return type.encode && type.dtype != DType::F64; }

std::string joined(const std::vector<std::string_view>& names) {
  std::string text;
  for (std::string_view name : names) text += fmt::format("{}{}", text.empty() ? "" : ", ", name);
  return text;
}

std::vector<std::string_view> format_names() {
  std::vector<std::string_view> names;
  for (const DTypeInfo& type : all_dtypes())
    if (holds_weights(type)) names.push_back(type.name);
  return names;
}

// "text.blocks.12.mlp.down.weight" -> 12; -1 without a number.
int layer_of(std::string_view name) {
  size_t at = name.find("blocks.");
  if (at == std::string_view::npos) return -1;
  int layer = -1;
  std::from_chars(name.data() + at + 7, name.data() + name.size(), layer);
  return layer;
}

bool gets_more_bits(int layer, int n_layers) {
  int eighth = n_layers / 8;
  return layer < eighth || layer >= 7 * n_layers / 8 || (layer - eighth) % 3 == 2;
}

bool is_chosen(Layers layers, int layer, const RecipeContext& c) {
  switch (layers) {
    case Layers::None:
      return false;
    case Layers::All:
      return true;
    case Layers::First2:
      return layer < 2;
    case Layers::First4:
      return layer < 4;
    case Layers::FirstSixteenth:
      return layer < c.n_layers / 16;
    case Layers::FirstEighth:
      return layer < c.n_layers / 8;
    case Layers::FirstEighthUnweighted:
      return layer < c.n_layers / 8 && !c.weighted;
    case Layers::More:
      return gets_more_bits(layer, c.n_layers);
    case Layers::SharedHeads:
      return c.heads_per_kv_head >= 4;
  }
  return false;
}

bool contains_any(std::string_view name, std::initializer_list<std::string_view> parts) {
  return std::ranges::any_of(parts, [&](std::string_view part) { return name.find(part) != std::string_view::npos; });
}

const LayerChoice* find_choice(const QuantRecipe& recipe, std::string_view name) {
  if (contains_any(name, {".attn.qkv.", ".attn.v."})) return &recipe.values;
  if (contains_any(name, {".attn.proj."})) return &recipe.attention_out;
  if (contains_any(name, {".mlp.down.", ".mlp.fc2."})) return &recipe.feed_forward_out;
  return nullptr;
}

bool is_text_block(std::string_view name) { return name.starts_with("text.") && layer_of(name) >= 0; }

int heads_per_kv_head(const Model& model, const WeightSpec& queries, bool fused) {
  CacheSpec cache = model.cache();
  if (cache.n_kv_heads <= 0 || cache.d_head <= 0) return 1;
  auto heads = static_cast<int>(queries.shape[0] / cache.d_head) - (fused ? 2 * cache.n_kv_heads : 0);
  return std::max(1, heads / cache.n_kv_heads);
}

// The format with blocks of 32 that llama.cpp takes where blocks of 256 do not divide a row.
DType smaller_blocks(DType format) {
  switch (format) {
    case DType::Q2_K:
    case DType::Q3_K:
      return DType::Q4_0;
    case DType::Q4_K:
      return DType::Q5_0;
    case DType::Q5_K:
      return DType::Q5_1;
    case DType::Q6_K:
      return DType::Q8_0;
    case DType::IQ4_XS:
      return DType::IQ4_NL;
    default:
      return format;
  }
}

}  // namespace

std::vector<std::string_view> quant_recipe_names() {
  std::vector<std::string_view> names = format_names();
  for (const NamedRecipe& mix : mixes())
    if (std::ranges::find(names, mix.name) == names.end()) names.push_back(mix.name);
  return names;
}

DType find_weight_format(std::string_view name) {
  const DTypeInfo* found = find_dtype(name);
  if (found && holds_weights(*found)) return found->dtype;
  throw usage_error("number format {}: unknown; expected one of {}", name, joined(format_names()));
}

QuantRecipe find_quant_recipe(std::string_view name) {
  if (const NamedRecipe* mix = find_mix(name)) return mix->recipe;
  const DTypeInfo* found = find_dtype(name);
  if (found && holds_weights(*found)) return {.matrix = found->dtype};
  throw usage_error("number format {}: unknown; expected one of {}", name, joined(quant_recipe_names()));
}

QuantRecipe::Override parse_override(const std::string& text) {
  size_t at = text.rfind('=');
  if (at == 0 || at == std::string::npos) throw usage_error("{}: expected REGEX=FORMAT", text);
  try {
    return {std::regex(text.substr(0, at)), find_weight_format(std::string_view(text).substr(at + 1))};
  } catch (const std::regex_error&) {
    throw usage_error("{}: not a regular expression", text.substr(0, at));
  }
}

RecipeContext recipe_context(const Model& model, bool weighted) {
  RecipeContext c{.weighted = weighted};
  for (const WeightSpec& spec : model.weights()) {
    c.has_head = c.has_head || (spec.name == "text.head.weight" && !spec.optional);
    if (!is_text_block(spec.name)) continue;
    c.n_layers = std::max(c.n_layers, layer_of(spec.name) + 1);
    bool fused = spec.name.ends_with(".attn.qkv.weight");
    if (fused || spec.name.ends_with(".attn.q.weight")) c.heads_per_kv_head = heads_per_kv_head(model, spec, fused);
  }
  return c;
}

bool is_vision_weight(std::string_view name) { return name.starts_with("vision.") || name.starts_with("projector"); }

DType wanted_format(const QuantRecipe& recipe, std::string_view name, const RecipeContext& c) {
  for (auto rule = recipe.overrides.rbegin(); rule != recipe.overrides.rend(); ++rule)
    if (std::regex_search(name.begin(), name.end(), rule->pattern)) return rule->format;
  if (is_vision_weight(name)) return recipe.vision.value_or(recipe.matrix);
  DType embedding = recipe.embedding.value_or(recipe.matrix);
  if (name == "text.head.weight") return recipe.head.value_or(embedding);
  if (name == "text.token_embed.weight") return c.has_head ? embedding : recipe.head.value_or(embedding);
  const LayerChoice* choice = is_text_block(name) ? find_choice(recipe, name) : nullptr;
  if (!choice) return recipe.matrix;
  return (is_chosen(choice->layers, layer_of(name), c) ? choice->format : choice->otherwise).value_or(recipe.matrix);
}

DType fitting_format(DType wanted, int64_t row_length) {
  auto fits = [&](DType format) { return row_length % info(format).block_values == 0; };
  if (fits(wanted)) return wanted;
  DType smaller = smaller_blocks(wanted);
  return fits(smaller) ? smaller : DType::F16;
}

uint32_t file_type_of(const QuantRecipe& recipe) { return recipe.file_type.value_or(gguf_file_type(recipe.matrix)); }

}  // namespace galago
