#include "quant/recipe.h"

#include <charconv>
#include <string>

#include "base/error.h"

namespace galago {
namespace {

struct NamedRecipe {
  std::string_view name;
  QuantRecipe recipe;
};

constexpr NamedRecipe kMixes[] = {
    {"q4_k_m", {.matrix = DType::Q4_K, .vision = DType::Q8_0, .embedding = DType::Q6_K, .sensitive = DType::Q6_K}},
    {"q4_k_s", {.matrix = DType::Q4_K, .vision = DType::Q8_0, .embedding = DType::Q6_K}},
    // BlueLM-V-3B (arXiv 2411.10640): 4-bit language model, 8-bit vision; 8-bit embeddings are our choice.
    {"bluelm_mobile", {.matrix = DType::Q4_0, .vision = DType::Q8_0, .embedding = DType::Q8_0}},
};

constexpr DType kFormats[] = {DType::F32,  DType::F16,  DType::BF16, DType::Q8_0, DType::Q4_0, DType::Q4_1,
                              DType::Q5_0, DType::Q5_1, DType::Q4_K, DType::Q5_K, DType::Q6_K};

std::string joined_names() {
  std::string names;
  for (std::string_view name : quant_recipe_names()) names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
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

bool is_sensitive(std::string_view name) {
  for (std::string_view part : {".attn.qkv.", ".attn.v.", ".mlp.down.", ".mlp.fc2."})
    if (name.find(part) != std::string_view::npos) return true;
  return false;
}

bool is_embedding(std::string_view name) { return name == "text.token_embed.weight" || name == "text.head.weight"; }

}  // namespace

std::vector<std::string_view> quant_recipe_names() {
  std::vector<std::string_view> names;
  for (DType format : kFormats) names.push_back(info(format).name);
  for (const NamedRecipe& mix : kMixes) names.push_back(mix.name);
  return names;
}

DType find_weight_format(std::string_view name) {
  for (DType format : kFormats)
    if (const DTypeInfo* found = find_dtype(name); found && found->dtype == format) return format;
  throw usage_error("number format {}: unknown; expected one of {}", name, joined_names());
}

QuantRecipe find_quant_recipe(std::string_view name) {
  for (const NamedRecipe& mix : kMixes)
    if (mix.name == name) return mix.recipe;
  return {.matrix = find_weight_format(name)};
}

bool is_vision_weight(std::string_view name) { return name.starts_with("vision.") || name.starts_with("projector"); }

DType wanted_format(const QuantRecipe& recipe, std::string_view name, int n_layers) {
  if (is_vision_weight(name)) return recipe.vision.value_or(recipe.matrix);
  if (is_embedding(name)) return recipe.embedding.value_or(recipe.matrix);
  if (recipe.sensitive && is_sensitive(name) && gets_more_bits(layer_of(name), n_layers)) return *recipe.sensitive;
  return recipe.matrix;
}

DType fitting_format(DType wanted, int64_t row_length) {
  auto fits = [&](DType format) { return row_length % info(format).block_values == 0; };
  if (fits(wanted)) return wanted;
  return fits(DType::Q8_0) ? DType::Q8_0 : DType::F16;
}

}  // namespace galago
