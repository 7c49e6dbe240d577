// Weights of a model in other number formats, with the error that this costs. Used by `galago convert` and `parity`.
#pragma once

#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "nn/scope.h"
#include "quant/importance.h"
#include "quant/recipe.h"

namespace galago {

struct QuantRow {
  std::string name;
  Shape shape;
  DType wanted = DType::F32, type = DType::F32;  // they differ where the row length does not divide (recipe.h)
  size_t n_bytes = 0;
  double error = 0;  // relative: sqrt(sum (stored - original)^2 / sum original^2); 0 before it is quantized
};

// What becomes of every quantizable weight that is there, in the order of Model::weights().
std::vector<QuantRow> plan_quantization(const Model& model, const Weights& weights, const QuantRecipe& recipe,
                                        bool weighted = false);

// One weight in row.type, a few rows at a time: beyond the result, no more than those rows are in memory as floats.
// Sets row.error. A weight that is in row.type already is returned as it is. `importance` and `pool` may be null; where
// nothing was measured for a weight, it counts alike. Throws InvalidInput naming a weight that is infinite or not a
// number.
Tensor quantize_one(const Tensor& original, QuantRow& row, const Importance* importance = nullptr,
                    ThreadPool* pool = nullptr);

struct Quantized {
  std::shared_ptr<const Model> model;  // that reads these weights: the given one, or a wider one (widen.h)
  Weights weights;                     // unchanged ones are shared with the input
  std::vector<QuantRow> rows;          // of plan_quantization
};

// All of them, held in memory.
Quantized quantize(std::shared_ptr<const Model> model, const Weights& weights, const QuantRecipe& recipe,
                   ThreadPool* pool = nullptr, const Importance* importance = nullptr);

}  // namespace galago
