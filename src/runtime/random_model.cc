#include "runtime/random_model.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/file.h"
#include "base/progress.h"
#include "base/rng.h"
#include "text/load_tokenizer.h"

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

std::string shard_name(size_t shard, size_t n_shards) {
  if (n_shards == 1) return "model.safetensors";
  return fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, n_shards);
}

size_t bytes_of(const ReferenceTensor& tensor, DType dtype) {
  return static_cast<size_t>(tensor.shape.elements()) * info(dtype).block_bytes;
}

// Cut where the next tensor would make a shard larger than `limit`.
std::vector<std::vector<ReferenceTensor>> into_shards(const std::vector<ReferenceTensor>& tensors, DType dtype,
                                                      size_t limit) {
  std::vector<std::vector<ReferenceTensor>> shards(1);
  size_t bytes = 0;
  for (const ReferenceTensor& tensor : tensors) {
    size_t n = bytes_of(tensor, dtype);
    if (bytes > 0 && bytes + n > limit) {
      shards.emplace_back();
      bytes = 0;
    }
    shards.back().push_back(tensor);
    bytes += n;
  }
  return shards;
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
                         uint64_t seed, size_t shard_bytes) {
  std::filesystem::create_directories(folder);
  auto shards = into_shards(reference_layout(model), dtype, shard_bytes);
  Json map = Json::object();
  size_t total = 0;
  Progress progress("writing " + folder);
  for (size_t shard = 0; shard < shards.size(); ++shard) {
    std::string name = shard_name(shard, shards.size());
    std::vector<NamedTensor> tensors;
    for (const ReferenceTensor& tensor : shards[shard]) {
      tensors.push_back({tensor.name, random_tensor(tensor, dtype, seed)});
      map[tensor.name] = name;
      total += bytes_of(tensor, dtype);
    }
    write_safetensors(folder + "/" + name, std::move(tensors));
    progress.show(static_cast<double>(shard + 1), static_cast<double>(shards.size()));
  }
  if (shards.size() > 1)
    write_file(folder + "/model.safetensors.index.json",
               Json{{"metadata", {{"total_size", total}}}, {"weight_map", map}}.dump(2) + "\n");
  write_file(folder + "/config.json", model.config().dump(2) + "\n");
  save_tokenizer(tokenizer, folder);
}

}  // namespace galago
