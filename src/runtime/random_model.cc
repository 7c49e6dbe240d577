#include "runtime/random_model.h"

#include <algorithm>
#include <set>

#include "base/rng.h"

namespace galago {
namespace {

constexpr size_t kTable = size_t{1} << 20;

const std::vector<float>& normal_table() {
  static const std::vector<float> table = [] {
    std::vector<float> values(kTable);
    Rng rng(1);
    for (float& value : values) value = static_cast<float>(rng.normal());
    return values;
  }();
  return table;
}

uint64_t hash_of(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325ull;  // FNV-1a
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return hash;
}

}  // namespace

std::vector<ReferenceTensor> reference_layout(const Model& model) {
  std::vector<ReferenceTensor> tensors;
  std::set<std::string> known;
  for (const WeightSpec& spec : model.weights()) {
    if (spec.optional) continue;
    for (size_t i = 0; i < spec.stored.parts.size(); ++i)
      if (known.insert(spec.stored.parts[i]).second)
        tensors.push_back({spec.stored.parts[i], spec.part_shape(spec.stored, i), spec.init_std,
                           spec.init_value * spec.stored.scale});
  }
  return tensors;
}

Tensor random_tensor(const ReferenceTensor& tensor, DType dtype, uint64_t seed) {
  Tensor values = Tensor::make(DType::F32, tensor.shape);
  const std::vector<float>& table = normal_table();
  Rng rng(splitmix64(seed) ^ hash_of(tensor.name));
  std::span<float> to = values.f32();
  for (size_t begin = 0; begin < to.size();) {
    size_t at = static_cast<size_t>(rng.below(kTable)), n = std::min(to.size() - begin, kTable - at);
    for (size_t i = 0; i < n; ++i) to[begin + i] = tensor.std > 0 ? tensor.std * table[at + i] : tensor.value;
    begin += n;
  }
  return dtype == DType::F32 ? values : encode(values, dtype);
}

void write_random_folder(const std::string& folder, const Model& model, const Tokenizer& tokenizer, DType dtype,
                         uint64_t seed) {
  std::vector<TensorToWrite> tensors;
  for (const ReferenceTensor& tensor : reference_layout(model))
    tensors.push_back({tensor.name, dtype, tensor.shape, [=] { return random_tensor(tensor, dtype, seed); }});
  write_reference_folder(folder, model, std::move(tensors), &tokenizer);
}

}  // namespace galago
