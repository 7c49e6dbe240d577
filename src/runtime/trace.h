// One forward pass of a whole prompt without a cache, keeping every named value: for `galago trace`, parity reports and
// golden tests.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/executor.h"
#include "image/image.h"
#include "models/model.h"

namespace galago {

// Names as in the graph ("text.blocks.0.out"), and "logits" [tokens, vocab].
using Trace = std::map<std::string, Tensor>;

// A prompt ready for one pass.
struct TraceInput {
  std::vector<int32_t> ids;      // 0 where a row of a picture goes
  std::vector<int32_t> rows_at;  // these places ...
  std::vector<int32_t> rows;     // ... get these rows of the stacked embeddings of all views, then the extra rows
  std::vector<Tensor> views;     // f32 [tiles, 3, h, w]: input "pixels", then "pixels.1" ...
};

// As the model's prompt says. Throws InvalidInput where it does not allow this text or these pictures.
TraceInput trace_input(const Model& model, const Tokenizer& tokenizer, std::string_view text,
                       std::span<const Image> pictures);
// Ids as they are, behind the tiles of the pictures. Needs no tokenizer.
TraceInput trace_input(const Model& model, std::span<const int32_t> ids, std::span<const Image> pictures);

// `pattern` is a glob ("text.blocks.*.out"); "logits" is always there. The tensors are copies in plain formats.
Trace run_trace(const Model& model, const Weights& weights, Executor& executor, const TraceInput& input,
                const std::string& pattern = "*");

}  // namespace galago
