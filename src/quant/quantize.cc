#include "quant/quantize.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace galago {
namespace {

void check_finite(const Tensor& f32, const std::string& name) {
  for (float value : f32.f32())
    if (!std::isfinite(value))
      throw invalid_input("weight {} holds {}; only finite numbers can be stored in fewer bits", name, value);
}

int count_text_layers(const std::vector<WeightSpec>& specs) {
  int n_layers = 0;
  for (const WeightSpec& spec : specs)
    n_layers += spec.name.starts_with("text.blocks.") && spec.name.ends_with(".norm1.weight");
  return n_layers;
}

}  // namespace

Tensor encode_rows(const Tensor& f32, DType type, ThreadPool* pool) {
  if (type == DType::F32) return f32;
  Tensor result = Tensor::make(type, f32.shape());
  int64_t length = f32.shape().last();
  size_t stored_bytes = row_bytes(type, length);
  auto encode_some = [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      info(type).encode(f32.f32().data() + row * length, result.bytes() + static_cast<size_t>(row) * stored_bytes,
                        length, nullptr);
  };
  constexpr int64_t kRowsAtOnce = 8;
  pool ? pool->parallel_for(f32.shape().rows(), kRowsAtOnce, encode_some) : encode_some(0, f32.shape().rows());
  return result;
}

double relative_rms_error(const Tensor& stored, const Tensor& original) {
  Tensor a = to_f32(stored), b = to_f32(original);
  double difference = 0, size = 0;
  for (int64_t i = 0; i < a.elements(); ++i) {
    double x = a.f32()[static_cast<size_t>(i)], y = b.f32()[static_cast<size_t>(i)];
    difference += (x - y) * (x - y);
    size += y * y;
  }
  return size > 0 ? std::sqrt(difference / size) : std::sqrt(difference);
}

Quantized quantize(const Model& model, const Weights& weights, const QuantRecipe& recipe, ThreadPool* pool) {
  Quantized result{.weights = weights};
  std::vector<WeightSpec> specs = model.weights();
  int n_layers = count_text_layers(specs);
  for (const WeightSpec& spec : specs) {
    auto found = weights.find(spec.name);
    if (!spec.quantizable || found == weights.end()) continue;
    Tensor original = to_f32(found->second->data);
    check_finite(original, spec.name);
    DType wanted = wanted_format(recipe, spec.name, n_layers);
    DType type = fitting_format(wanted, spec.shape.last());
    Tensor stored = encode_rows(original, type, pool);
    result.rows.push_back(
        {spec.name, spec.shape, wanted, type, stored.n_bytes(), relative_rms_error(stored, original)});
    result.weights[spec.name] = std::make_shared<Weight>(Weight{spec.name, std::move(stored)});
  }
  return result;
}

}  // namespace galago
