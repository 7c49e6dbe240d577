#include "quant/widen.h"

#include <cstring>

#include "base/error.h"

namespace galago {
namespace {

constexpr int64_t kWidthMultiple = 256;  // what the largest blocks divide

// The hidden width of the vision tower, if the recipe wants a format there that does not divide it; else 0.
int64_t unfit_width(const Model& model, const QuantRecipe& recipe) {
  const RecipeContext context = recipe_context(model, false);
  for (const WeightSpec& spec : model.weights()) {
    if (!spec.name.starts_with("vision.") || !spec.name.ends_with(".mlp.fc2.weight")) continue;
    const DType wanted = wanted_format(recipe, spec.name, context);
    if (spec.shape.last() % info(wanted).block_values != 0) return spec.shape.last();
  }
  return 0;
}

}  // namespace

std::shared_ptr<const Model> widened(const Model& model, const QuantRecipe& recipe) {
  const Family* family = find_family(model.family());
  const int64_t width = family && family->vision_width ? unfit_width(model, recipe) : 0;
  if (width == 0) return nullptr;
  Json config = model.config();
  config[Json::json_pointer(family->vision_width)] = (width + kWidthMultiple - 1) / kWidthMultiple * kWidthMultiple;
  return make_model(config, std::string(model.family()));
}

Tensor with_zeros(const Tensor& t, const Shape& shape) {
  if (t.shape() == shape) return t;
  const bool fits = t.shape().rank() == shape.rank() && t.shape().rank() > 0 && t.shape().last() <= shape.last() &&
                    t.shape().rows() <= shape.rows();
  CHECK(fits, "{} does not grow from {} to {}", info(t.dtype()).name, t.shape().to_string(), shape.to_string());
  Tensor grown = Tensor::make(t.dtype(), shape);
  std::memset(grown.bytes(), 0, grown.n_bytes());  // a block of zero bytes is a block of zeros
  for (int64_t row = 0; row < t.shape().rows(); ++row)
    std::memcpy(grown.bytes() + static_cast<size_t>(row) * grown.row_bytes(),
                t.bytes() + static_cast<size_t>(row) * t.row_bytes(), t.row_bytes());
  return grown;
}

}  // namespace galago
