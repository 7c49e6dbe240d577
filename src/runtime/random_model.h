// Checkpoints with random weights in a reference's own layout, so that every path can be tried without the published
// files: tiny ones in tests, full-sized ones for memory and speed. Values are windows of one table of normal numbers:
// they come as fast as memory, and no two rows are alike by accident.
#pragma once

#include <string>
#include <vector>

#include "runtime/checkpoint.h"

namespace galago {

// One tensor of the reference's checkpoint.
struct ReferenceTensor {
  std::string name;
  Shape shape;
  float std = 0, value = 0;  // as in WeightSpec
};

std::vector<ReferenceTensor> reference_layout(const Model& model);  // without optional weights

// Deterministic by seed and name. `dtype` is plain: f32, f16, bf16.
Tensor random_tensor(const ReferenceTensor& tensor, DType dtype, uint64_t seed);

// A folder in the reference's layout, one shard in memory at a time.
void write_random_folder(const std::string& folder, const Model& model, const Tokenizer& tokenizer, DType dtype,
                         uint64_t seed);

}  // namespace galago
