// Low-rank adapters beside the weights instead of in them: y = W x + B (A x). A quantized W stays as it is, and nothing
// is copied. Where a merged adapter is wanted: LoraSource (formats/lora.h).
#pragma once

#include "formats/lora.h"
#include "models/model.h"

namespace galago {

// Adds NAME.lora_a [rank, in] and NAME.lora_b [out, rank] (with the adapter's scale) beside every NAME.weight that the
// adapter changes; nn's linear layers look for them. Several adapters add up. Throws InvalidInput for a target that the
// model does not have or that has another shape, Unsupported for what is not a linear layer and for whole weights.
void add_adapter(Weights& weights, const Model& model, const LoraAdapter& adapter);

}  // namespace galago
