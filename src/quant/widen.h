// Hidden layers made as wide as blocks want. SigLIP so400m has 4304 hidden channels, which no block format divides, so
// that the second matrix of each of its blocks would keep 16 bits. With 48 more channels of which all weights are 0 the
// tower computes the same (its activations map 0 to 0) and every matrix fits.
#pragma once

#include <memory>

#include "models/model.h"
#include "quant/recipe.h"

namespace galago {

// The model with wider layers. Null where the recipe's formats fit as it is, or its family does not say how
// (Family::vision_width).
std::shared_ptr<const Model> widened(const Model& model, const QuantRecipe& recipe);

// A matrix or vector with rows and columns of zeros behind its own, as large as `shape`.
Tensor with_zeros(const Tensor& t, const Shape& shape);

}  // namespace galago
