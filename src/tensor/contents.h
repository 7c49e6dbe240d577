// Damaged and hostile files can hold any bits. Every pattern decodes to something, so nothing here is needed for
// safety; it tells a broken model from a good one before it talks nonsense.
#pragma once

#include <optional>
#include <string_view>

#include "tensor/tensor.h"

namespace galago {

// The first row with a value, or in block formats a scale or minimum, that is infinite or not a number.
std::optional<int64_t> first_broken_row(const Tensor& tensor);

void check_contents(const Tensor& tensor, std::string_view name);  // throws InvalidInput naming tensor and row

}  // namespace galago
