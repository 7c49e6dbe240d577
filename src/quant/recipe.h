// Which weight of a model gets which number format.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "models/model.h"

namespace galago {

// Only matrices (WeightSpec::quantizable) change; norms, biases, tables and convolution kernels stay f32.
struct QuantRecipe {
  DType matrix = DType::Q8_0;
  std::optional<DType> vision;     // weights named vision.* and projector*; nullopt: as `matrix`
  std::optional<DType> embedding;  // text.token_embed and text.head; nullopt: as `matrix`
  // q4_k_m: qkv and the matrix back from the feed-forward get more bits in the first and last eighth of the layers and
  // in every third between them, as llama.cpp does (src/llama-quant.cpp, use_more_bits).
  std::optional<DType> sensitive;
};

// A format that holds weights ("q4_0") or the name of a mix ("q4_k_m"). Throws Usage naming what there is.
QuantRecipe find_quant_recipe(std::string_view name);
DType find_weight_format(std::string_view name);  // a format alone; throws Usage
std::vector<std::string_view> quant_recipe_names();

bool is_vision_weight(std::string_view name);

// The format `recipe` wants for a matrix; `layer` and `n_layers` count the blocks that the weight stands among.
DType wanted_format(const QuantRecipe& recipe, std::string_view name, int n_layers);

// What a row of `row_length` values can be stored in: the wanted format if its blocks divide the row; otherwise q8_0 if
// 32 divides it; otherwise f16.
DType fitting_format(DType wanted, int64_t row_length);

}  // namespace galago
