// Weights of a model in other number formats, with the error that this costs. Used by `galago convert` and `parity`.
#pragma once

#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "nn/scope.h"
#include "quant/recipe.h"

namespace galago {

struct QuantRow {
  std::string name;
  Shape shape;
  DType wanted = DType::F32, type = DType::F32;  // they differ where the row length does not divide (recipe.h)
  size_t n_bytes = 0;
  double error = 0;  // relative: sqrt(sum (stored - original)^2 / sum original^2)
};

struct Quantized {
  Weights weights;             // unchanged ones are shared with the input
  std::vector<QuantRow> rows;  // in the order of Model::weights(); those that were changed or could have been
};

// Throws InvalidInput naming a weight that is infinite or not a number. `pool` may be null.
Quantized quantize(const Model& model, const Weights& weights, const QuantRecipe& recipe, ThreadPool* pool = nullptr);

// Rows of f32 in another format, the rows shared out among the threads.
Tensor encode_rows(const Tensor& f32, DType type, ThreadPool* pool = nullptr);

double relative_rms_error(const Tensor& stored, const Tensor& original);  // 0 for all-zero originals stored as zeros

}  // namespace galago
