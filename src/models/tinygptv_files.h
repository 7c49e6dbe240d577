// The files of TinyGPT-V: its weights come as four downloads of different origin (tinygpt-v.md section 6). Here they
// become one source of weights, and go back to the same four.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/model.h"

namespace galago {

// The name of a language model's weight in Microsoft's first Phi files: "model.layers.0.mlp.fc1.weight" ->
// "transformer.h.0.mlp.fc1.weight"; "query_key_value" becomes "mixer.Wqkv", whose rows stand in another order. Empty
// for a weight that Phi-2 lacks.
std::string microsoft_phi_name(const std::string& name);

// A folder with galago.json, or with the published file names. Nothing: not such a folder. Throws NotFound /
// InvalidInput naming the file, and for each part of the model how many tensors are missing.
std::optional<FolderParts> open_tinygptv(const std::string& folder);

// galago.json and the four files, Phi-2 as pytorch_model.bin in a folder of its own, without an adapter.
void save_tinygptv(const std::string& folder, const Model& model, std::vector<TensorToWrite> tensors);

}  // namespace galago
