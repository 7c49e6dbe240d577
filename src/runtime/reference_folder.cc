// Folders in a reference's own layout: config.json, safetensors (in shards if they are large) and tokenizer files, or
// what the family says.
#include <filesystem>

#include "base/file.h"
#include "base/progress.h"
#include "runtime/checkpoint.h"
#include "text/load_tokenizer.h"

namespace galago {
namespace {

size_t bytes_of(const TensorToWrite& tensor) {
  return static_cast<size_t>(tensor.shape.elements()) * info(tensor.dtype).block_bytes;
}

// Cut where the next tensor would make a shard larger than `limit`.
std::vector<std::vector<TensorToWrite>> into_shards(std::vector<TensorToWrite> tensors, size_t limit) {
  std::vector<std::vector<TensorToWrite>> shards(1);
  size_t bytes = 0;
  for (TensorToWrite& tensor : tensors) {
    size_t n = bytes_of(tensor);
    if (bytes > 0 && bytes + n > limit) {
      shards.emplace_back();
      bytes = 0;
    }
    shards.back().push_back(std::move(tensor));
    bytes += n;
  }
  return shards;
}

std::string shard_name(size_t shard, size_t n_shards) {
  if (n_shards == 1) return "model.safetensors";
  return fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, n_shards);
}

void write_shards(const std::string& folder, std::vector<TensorToWrite> tensors, size_t shard_bytes) {
  auto shards = into_shards(std::move(tensors), shard_bytes);
  Json map = Json::object();
  size_t total = 0;
  Progress progress("writing " + folder);
  for (size_t shard = 0; shard < shards.size(); ++shard) {
    std::string name = shard_name(shard, shards.size());
    std::vector<NamedTensor> made;
    for (const TensorToWrite& tensor : shards[shard]) {
      made.push_back({tensor.name, tensor.make()});
      map[tensor.name] = name;
      total += bytes_of(tensor);
    }
    write_safetensors(folder + "/" + name, std::move(made));
    progress.show(static_cast<double>(shard + 1), static_cast<double>(shards.size()));
  }
  if (shards.size() > 1)
    write_file(folder + "/model.safetensors.index.json",
               Json{{"metadata", {{"total_size", total}}}, {"weight_map", map}}.dump(2) + "\n");
}

}  // namespace

void write_reference_folder(const std::string& folder, const Model& model, std::vector<TensorToWrite> tensors,
                            const Tokenizer* tokenizer, size_t shard_bytes) {
  std::filesystem::create_directories(folder);
  const Family* family = find_family(model.family());
  if (family && family->save) {
    family->save(folder, model, std::move(tensors));
  } else {
    write_shards(folder, std::move(tensors), shard_bytes);
    write_file(folder + "/config.json", model.config().dump(2) + "\n");
  }
  if (tokenizer) save_tokenizer(*tokenizer, folder);
}

void save_checkpoint(const std::string& folder, const Model& model, const Weights& weights,
                     const Tokenizer* tokenizer) {
  std::vector<TensorToWrite> tensors;
  for (const NamedTensor& t : reference_tensors(model, weights))
    tensors.push_back({t.name, t.tensor.dtype(), t.tensor.shape(), [tensor = t.tensor] { return tensor; }});
  write_reference_folder(folder, model, std::move(tensors), tokenizer);
}

}  // namespace galago
