// Weights between files and models: the rows of Model::weights() say how canonical weights are spelled in the
// reference's checkpoints (one tensor, several stacked along the first axis, or one of several aliases).
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "formats/safetensors.h"
#include "runtime/checkpoint.h"

namespace galago {
namespace {

// The tensor under its name or one of its aliases.
Tensor find_part(const WeightSource& source, const WeightSpec& spec, const std::string& part) {
  if (source.has(part)) return source.get(part);
  for (const std::string& alias : spec.aliases)
    if (source.has(alias)) return source.get(alias);
  throw not_found("{}: no tensor {}", source.path(), part);
}

Tensor stack(const std::vector<Tensor>& parts) {
  Shape shape = parts[0].shape();
  shape[0] = 0;
  for (const Tensor& part : parts) shape[0] += part.shape()[0];
  Tensor whole = Tensor::make(parts[0].dtype(), shape);
  std::byte* at = whole.bytes();
  for (const Tensor& part : parts) {
    std::memcpy(at, part.bytes(), part.n_bytes());
    at += part.n_bytes();
  }
  return whole;
}

Tensor read_parts(const WeightSource& source, const WeightSpec& spec) {
  std::vector<Tensor> parts;
  bool same_type = true;
  for (int i = 0; i < static_cast<int>(spec.parts.size()); ++i) {
    parts.push_back(find_part(source, spec, spec.parts[i]));
    if (parts[i].shape() != spec.part_shape(i))
      throw invalid_input("{}: tensor {} has shape {}, this model needs {}", source.path(), spec.parts[i],
                          parts[i].shape().to_string(), spec.part_shape(i).to_string());
    same_type = same_type && parts[i].dtype() == parts[0].dtype();
  }
  if (parts.size() == 1) return parts[0];
  if (!same_type)
    for (Tensor& part : parts) part = to_f32(part);
  return stack(parts);
}

}  // namespace

Weights load_weights(const Model& model, const WeightSource& source, bool canonical) {
  Weights weights;
  for (const WeightSpec& spec : model.weights()) {
    WeightSpec row = spec;
    if (canonical) row.parts = {spec.name}, row.aliases = {};
    if (spec.optional && !source.has(row.parts[0])) continue;
    Tensor data = read_parts(source, row);
    if (!spec.quantizable) data = to_f32(data);
    weights[spec.name] = std::make_shared<Weight>(Weight{spec.name, std::move(data)});
  }
  return weights;
}

Weights random_weights(const Model& model, uint64_t seed) {
  Weights weights;
  Rng rng(seed);
  for (const WeightSpec& spec : model.weights()) {
    if (spec.optional) continue;
    Tensor data = Tensor::make(DType::F32, spec.shape);
    for (float& value : data.f32())
      value = spec.init_std > 0 ? spec.init_std * static_cast<float>(rng.normal()) : spec.init_value;
    weights[spec.name] = std::make_shared<Weight>(Weight{spec.name, std::move(data)});
  }
  return weights;
}

void save_checkpoint(const std::string& folder, const Model& model, const Weights& weights,
                     const Tokenizer* tokenizer) {
  std::vector<NamedTensor> tensors;
  for (const WeightSpec& spec : model.weights()) {
    auto found = weights.find(spec.name);
    if (found == weights.end()) continue;
    Tensor data = to_f32(found->second->data);
    int64_t begin = 0;
    for (int i = 0; i < static_cast<int>(spec.parts.size()); ++i) {
      int64_t rows = spec.part_shape(i)[0];
      tensors.push_back({spec.parts[i], data.rows(begin, begin + rows)});
      begin += rows;
    }
  }
  write_safetensors(folder + "/model.safetensors", tensors, {{"format", "pt"}});
  write_file(folder + "/config.json", model.config().dump(2) + "\n");
  if (tokenizer) write_file(folder + "/tokenizer.json", tokenizer->to_tokenizer_json());
}

}  // namespace galago
