// What fewer bits do to what a model says: its logits beside those of the unquantized model, place by place.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace galago {

struct LogitsQuality {
  double mean_kl = 0, max_kl = 0;  // KL(reference || tested) of the next token, nats
  double same_top = 0;             // share of places where both find the same token most probable
  double relative_error = 0;       // of all logits
  int64_t n_places = 0;
};

// sqrt(sum (tested - reference)^2 / sum reference^2) of f32 tensors of one shape; 0 if the reference is 0.
double relative_error(const Tensor& reference, const Tensor& tested);

// Both f32 [places, vocab]. The same for any order of the places.
LogitsQuality compare_logits(const Tensor& reference, const Tensor& tested);

}  // namespace galago
