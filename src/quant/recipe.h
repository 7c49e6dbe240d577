// Which weight of a model gets which number format.
#pragma once

#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "models/model.h"

namespace galago {

// The layers of the language model that get `format`; the others get `otherwise`. Both unset: as QuantRecipe::matrix.
enum class Layers { None, All, First2, First4, FirstSixteenth, FirstEighth, FirstEighthUnweighted, More, SharedHeads };
struct LayerChoice {
  Layers layers = Layers::None;
  std::optional<DType> format = {}, otherwise = {};
};

// Only matrices (WeightSpec::quantizable) change; norms, biases, tables and convolution kernels stay f32.
struct QuantRecipe {
  DType matrix = DType::Q8_0;
  std::optional<DType> vision = {};     // weights named vision.* and projector*; nullopt: as `matrix`
  std::optional<DType> embedding = {};  // text.token_embed; nullopt: as `matrix`
  std::optional<DType> head = {};       // text.head, or text.token_embed in a model without it; nullopt: as `embedding`
  // Of the blocks of the language model: the fused query, key and value (or the values alone), and the matrices that
  // lead back from attention and from the feed-forward.
  LayerChoice values = {}, attention_out = {}, feed_forward_out = {};
  std::optional<uint32_t> file_type = {};  // llama.cpp's number of the mix; nullopt: that of `matrix`

  // Weights whose name a pattern is found in; the last one that matches wins over everything else.
  struct Override {
    std::regex pattern;
    DType format;
  };
  std::vector<Override> overrides = {};
};

// What the choices of a recipe depend on, beyond the name of a weight.
struct RecipeContext {
  int n_layers = 0;           // blocks of the language model
  int heads_per_kv_head = 1;  // query heads that share one head of keys and values
  bool has_head = false;      // text.head exists
  bool weighted = false;      // an importance matrix is used
};
RecipeContext recipe_context(const Model& model, bool weighted);

// A format that can be written ("q4_0": every matrix) or the name of a mix ("q4_k_m"). Throws Usage naming what there
// is.
QuantRecipe find_quant_recipe(std::string_view name);
DType find_weight_format(std::string_view name);  // a format alone; throws Usage
std::vector<std::string_view> quant_recipe_names();

// "REGEX=FORMAT"; throws Usage.
QuantRecipe::Override parse_override(const std::string& text);

bool is_vision_weight(std::string_view name);

// The format `recipe` wants for a matrix.
DType wanted_format(const QuantRecipe& recipe, std::string_view name, const RecipeContext& context);

// What a row of `row_length` values can be stored in: the wanted format if its blocks divide the row; otherwise what
// llama.cpp takes instead, with blocks of 32 and at least as many bits; otherwise f16.
DType fitting_format(DType wanted, int64_t row_length);

// llama.cpp's general.file_type of a recipe, or of a model that is mostly `format`; 0 (all f32) where it has none.
uint32_t file_type_of(const QuantRecipe& recipe);

}  // namespace galago
