// Weights between files and models: the rows of Model::weights() say how canonical weights are spelled in a checkpoint
// (one tensor, several stacked along the first axis, some rows of a packed one, transposed or scaled), and both
// directions follow from them.
#include <cstring>
#include <map>
#include <numeric>

#include "base/error.h"
#include "base/rng.h"
#include "runtime/checkpoint.h"

namespace galago {
namespace {

// Without dimensions of size 1, which checkpoints write or leave out as they like.
Shape squeezed(const Shape& shape) {
  std::vector<int64_t> dims;
  for (int64_t n : shape.dims())
    if (n != 1) dims.push_back(n);
  return Shape(dims);
}

// The first way of storing the weight that this file has, by name and shape; by name alone if no shape fits.
const StoredAs* find_stored(const WeightSource& source, const WeightSpec& spec) {
  std::vector<const StoredAs*> named;
  auto consider = [&](const StoredAs& as) {
    if (source.has(as.parts[0])) named.push_back(&as);
  };
  consider(spec.stored);
  for (const StoredAs& other : spec.otherwise) consider(other);
  if (named.size() > 1)
    for (const StoredAs* as : named)
      if (squeezed(source.get(as->parts[0]).shape()) == squeezed(spec.part_shape(*as, 0))) return as;
  return named.empty() ? nullptr : named[0];
}

Tensor checked_part(const WeightSource& source, const WeightSpec& spec, const StoredAs& as, size_t part) {
  Tensor data = source.get(as.parts[part]);
  Shape want = spec.part_shape(as, part);
  if (squeezed(data.shape()) != squeezed(want))
    throw invalid_input("{}: tensor {} has shape {}, this model needs {}", source.path(), as.parts[part],
                        data.shape().to_string(), want.to_string());
  return data.shape() == want ? data : data.reshaped(want);
}

Tensor stack(std::vector<Tensor> parts) {
  if (parts.size() == 1) return parts[0];
  bool same_type = true;
  for (const Tensor& part : parts) same_type = same_type && part.dtype() == parts[0].dtype();
  Shape shape = parts[0].shape();
  shape[0] = 0;
  for (Tensor& part : parts) {
    if (!same_type) part = to_f32(part);
    shape[0] += part.shape()[0];
  }
  Tensor whole = Tensor::make(parts[0].dtype(), shape);
  std::byte* at = whole.bytes();
  for (const Tensor& part : parts) {
    std::memcpy(at, part.bytes(), part.n_bytes());
    at += part.n_bytes();
  }
  return whole;
}

Tensor pick_rows(const Tensor& stored, const std::vector<int32_t>& rows) {
  Shape shape = stored.shape();
  size_t bytes = stored.n_bytes() / static_cast<size_t>(shape[0]);
  shape[0] = std::ssize(rows);
  Tensor result = Tensor::make(stored.dtype(), shape);
  for (size_t i = 0; i < rows.size(); ++i)
    std::memcpy(result.bytes() + i * bytes, stored.bytes() + static_cast<size_t>(rows[i]) * bytes, bytes);
  return result;
}

Tensor transpose(const Tensor& stored) {
  Tensor from = to_f32(stored), to = Tensor::make(DType::F32, {stored.shape()[1], stored.shape()[0]});
  int64_t n_rows = from.shape()[0], n_cols = from.shape()[1];
  for (int64_t row = 0; row < n_rows; ++row)
    for (int64_t col = 0; col < n_cols; ++col)
      to.f32()[static_cast<size_t>(col * n_rows + row)] = from.f32()[static_cast<size_t>(row * n_cols + col)];
  return to;
}

Tensor scaled(const Tensor& stored, float factor) {
  Tensor from = to_f32(stored), to = Tensor::make(DType::F32, stored.shape());
  for (size_t i = 0; i < to.f32().size(); ++i) to.f32()[i] = factor * from.f32()[i];
  return to;
}

Tensor read_weight(const WeightSource& source, const WeightSpec& spec, const StoredAs& as) {
  std::vector<Tensor> parts;
  for (size_t i = 0; i < as.parts.size(); ++i) parts.push_back(checked_part(source, spec, as, i));
  Tensor data = stack(std::move(parts));
  if (data.shape().rank() == 1) data = to_f32(data);  // a block of a quantized format spans several values
  if (!as.rows.empty()) data = pick_rows(data, as.rows);
  if (as.transposed) data = transpose(data);
  if (as.scale != 1) data = scaled(data, 1 / as.scale);
  return spec.quantizable ? data : to_f32(data);
}

// The tensors of a checkpoint while it is written: several weights may fill one.
class StoredTensors {
 public:
  void add(const WeightSpec& spec, const Tensor& weight) {
    Tensor data = to_f32(weight);
    const StoredAs& as = spec.stored;
    if (as.scale != 1) data = scaled(data, as.scale);
    if (as.transposed) data = transpose(data);
    size_t row_bytes = data.n_bytes() / static_cast<size_t>(data.shape()[0]);
    for (int64_t row = 0; row < data.shape()[0]; ++row) {
      int64_t at = as.rows.empty() ? row : as.rows[static_cast<size_t>(row)];
      std::memcpy(place(spec, at, row_bytes), data.bytes() + static_cast<size_t>(row) * row_bytes, row_bytes);
    }
  }
  std::vector<NamedTensor> take() { return std::move(tensors_); }

 private:
  // Where row `at` of the stacked parts lies.
  std::byte* place(const WeightSpec& spec, int64_t at, size_t row_bytes) {
    size_t part = 0;
    for (; at >= spec.part_shape(spec.stored, part)[0]; ++part) at -= spec.part_shape(spec.stored, part)[0];
    const std::string& name = spec.stored.parts[part];
    auto [found, is_new] = index_.try_emplace(name, tensors_.size());
    if (is_new) tensors_.push_back({name, Tensor::make(DType::F32, spec.part_shape(spec.stored, part))});
    return tensors_[found->second].tensor.bytes() + static_cast<size_t>(at) * row_bytes;
  }

  std::vector<NamedTensor> tensors_;
  std::map<std::string, size_t> index_;
};

}  // namespace

Weights load_weights(const Model& model, const WeightSource& source, WeightNames names) {
  Weights weights;
  Dialect dialect = names == WeightNames::LlamaCpp ? Dialect::LlamaCpp : Dialect::HuggingFace;
  for (WeightSpec spec : model.weights(dialect)) {
    if (names == WeightNames::Canonical) spec.stored = {{spec.name}}, spec.otherwise = {};
    const StoredAs* as = find_stored(source, spec);
    if (!as && spec.optional) continue;
    if (!as) throw not_found("{}: no tensor {}", source.path(), spec.stored.parts[0]);
    Weight weight{spec.name, read_weight(source, spec, *as)};
    if (names == WeightNames::Canonical && source.has(packed_name(spec.name)))
      weight.packed = source.get(packed_name(spec.name));
    weights[spec.name] = std::make_shared<Weight>(std::move(weight));
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

std::vector<NamedTensor> reference_tensors(const Model& model, const Weights& weights) {
  StoredTensors stored;
  for (const WeightSpec& spec : model.weights())
    if (auto found = weights.find(spec.name); found != weights.end()) stored.add(spec, found->second->data);
  return stored.take();
}

}  // namespace galago
