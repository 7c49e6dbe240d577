#include "quant/quantize.h"

#include <cmath>
#include <mutex>

#include "base/error.h"
#include "quant/widen.h"
#include "tensor/contents.h"

namespace galago {
namespace {

constexpr int64_t kRowsAtOnce = 8;

// Sums over a tensor, added up by several threads.
struct Squares {
  double difference = 0, size = 0;
  double relative_error() const { return size > 0 ? std::sqrt(difference / size) : std::sqrt(difference); }
};

Squares& operator+=(Squares& a, const Squares& b) {
  a.difference += b.difference;
  a.size += b.size;
  return a;
}

Squares compare(std::span<const float> stored, std::span<const float> original) {
  Squares sums;
  for (size_t i = 0; i < stored.size(); ++i) {
    double difference = static_cast<double>(stored[i]) - original[i];
    sums.difference += difference * difference;
    sums.size += static_cast<double>(original[i]) * original[i];
  }
  return sums;
}

// Rows of one weight on their way into another format.
struct RowEncoder {
  const Tensor &original, &result;
  const std::string& name;
  const Importance* importance;

  Squares encode(int64_t begin, int64_t end) const {
    const int64_t width = original.shape().last();
    const DTypeInfo &from = info(original.dtype()), &to = info(result.dtype());
    std::vector<float> values(static_cast<size_t>(width)), back(values.size());
    Squares sums;
    for (int64_t row = begin; row < end; ++row) {
      std::byte* stored = result.bytes() + static_cast<size_t>(row) * result.row_bytes();
      from.decode(original.bytes() + static_cast<size_t>(row) * original.row_bytes(), values.data(), width);
      check_finite(values, row);
      to.encode(values.data(), stored, width, columns(row));
      to.decode(stored, back.data(), width);
      sums += compare(back, values);
    }
    return sums;
  }

  void check_finite(std::span<const float> values, int64_t row) const {
    for (float value : values)
      if (!std::isfinite(value))
        throw invalid_input("weight {} holds {} in row {}; only finite numbers can be stored in fewer bits", name,
                            value, row);
  }

  // [width] of the matrix that the row is in; null if nothing was measured.
  const float* columns(int64_t row) const {
    if (!importance) return nullptr;
    const Shape& shape = original.shape();
    int64_t n_matrices = shape.rank() == 3 ? shape[0] : 1;
    return importance->find(name, row / (shape.rows() / n_matrices), n_matrices, shape.last()).data();
  }
};

}  // namespace

std::vector<QuantRow> plan_quantization(const Model& model, const Weights& weights, const QuantRecipe& recipe,
                                        bool weighted) {
  std::vector<QuantRow> rows;
  RecipeContext context = recipe_context(model, weighted);
  for (const WeightSpec& spec : model.weights()) {
    if (!spec.quantizable || !weights.contains(spec.name)) continue;
    QuantRow row{.name = spec.name, .shape = spec.shape, .wanted = wanted_format(recipe, spec.name, context)};
    row.type = fitting_format(row.wanted, spec.shape.last());
    row.n_bytes = row_bytes(row.type, spec.shape.last()) * static_cast<size_t>(spec.shape.rows());
    rows.push_back(std::move(row));
  }
  return rows;
}

Tensor quantize_one(const Tensor& original, QuantRow& row, const Importance* importance, ThreadPool* pool) {
  if (original.dtype() == row.type) {  // encoding what was decoded need not give the same bytes
    check_contents(original, "weight " + row.name);
    return original;
  }
  if (!info(original.dtype()).decode)
    throw invalid_input("weight {} is {}; expected real numbers", row.name, info(original.dtype()).name);
  Tensor result = Tensor::make(row.type, original.shape());
  RowEncoder encoder{original, result, row.name, importance};
  Squares sums;
  std::mutex sums_mutex;
  auto encode_some = [&](int64_t begin, int64_t end) {
    Squares some = encoder.encode(begin, end);
    std::lock_guard lock(sums_mutex);
    sums += some;
  };
  const int64_t n_rows = original.shape().rows();
  pool ? pool->parallel_for(n_rows, kRowsAtOnce, encode_some) : encode_some(0, n_rows);
  row.error = sums.relative_error();
  return result;
}

Quantized quantize(std::shared_ptr<const Model> model, const Weights& weights, const QuantRecipe& recipe,
                   ThreadPool* pool, const Importance* importance) {
  Quantized result{.model = std::move(model), .weights = weights, .rows = {}};
  if (auto wide = widened(*result.model, recipe)) {
    result.model = wide;
    for (const WeightSpec& spec : wide->weights())
      if (auto found = result.weights.find(spec.name); found != result.weights.end())
        found->second = std::make_shared<Weight>(Weight{spec.name, with_zeros(found->second->data, spec.shape)});
  }
  result.rows = plan_quantization(*result.model, result.weights, recipe, importance != nullptr);
  for (QuantRow& row : result.rows) {
    Tensor stored = quantize_one(result.weights.find(row.name)->second->data, row, importance, pool);
    result.weights[row.name] = std::make_shared<Weight>(Weight{row.name, std::move(stored)});
  }
  return result;
}

}  // namespace galago
