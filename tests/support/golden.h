// Deterministic tensors for golden tests: values follow from the tensor's name, so no weight file is needed. The rule is in
// docs/parity.md: FNV-1a of the name seeds SplitMix64; u = top 24 bits / 2^24; r = 2u - 1.
#pragma once

#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace galago::testing {

double hashed_uniform(std::string_view name, uint64_t index);  // u in [0, 1)

// Matrices: r / sqrt(fan in); 1-D "*.weight": 1 + 0.1 r; other 1-D: 0.1 r; embedding and position tables, class tokens and
// pictures ("wide"): 0.5 r.
Tensor hashed_tensor(std::string_view name, const Shape& shape, bool wide);

// The second rule, of the values made for InternLM-XComposer2-4KHD: 32-bit FNV-1a of the name and MurmurHash3's finaliser;
// u = top 24 bits / 2^24; the result is 2u - 1.
double mixed_uniform(std::string_view name, uint32_t index);
// Learned positions, class tokens, embeddings and separators: as they are; other matrices: times sqrt(3 / fan in); 1-D
// "*bias": times 0.1; other 1-D: 1 + 0.1 of it.
Tensor mixed_tensor(std::string_view name, const Shape& shape);
Tensor mixed_values(std::string_view name, const Shape& shape);  // as they are, whatever the name

struct Summary {
  double sum = 0, sumsq = 0;
  std::vector<float> first, last;  // four each
};
Summary summarise(std::span<const float> values);

}  // namespace galago::testing
