#include "formats/weight_source.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <set>

#include "base/file.h"
#include "formats/gguf.h"
#include "formats/merged_source.h"
#include "formats/printable.h"
#include "formats/safetensors.h"
#include "formats/shard_index.h"
#include "formats/torch_file.h"

namespace galago {
namespace {

// The largest power of two that divides the size of one number or block, at most 8.
size_t natural_alignment(DType dtype) {
  size_t bytes = info(dtype).block_bytes;
  return std::min<size_t>(bytes & (~bytes + 1), 8);
}

bool starts_with(std::span<const std::byte> bytes, std::string_view text) {
  return bytes.size() >= text.size() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
}

std::string weights_in_folder(const std::string& folder) {
  for (const char* name : {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                           "pytorch_model.bin.index.json", "adapter_model.safetensors", "adapter_model.bin"}) {
    auto path = std::filesystem::path(folder) / name;
    if (std::filesystem::exists(path)) return path.string();
  }
  throw not_found("{}: neither model.safetensors nor pytorch_model.bin nor an index of either is in this folder",
                  folder);
}

// A shard, with only those of its tensors that the index lists.
void add_shard(MergedSource& model, const std::string& path, const std::vector<std::string>& listed) {
  if (std::filesystem::is_directory(path)) throw invalid_input("{}: is a folder; expected a shard", path);
  std::shared_ptr<const WeightSource> shard = open_weights(path);
  for (const std::string& name : listed)
    if (!shard->has(name))
      throw invalid_input("{}: no tensor {}, which {} says is there", path, printable(name), model.path());
  std::set<std::string_view> wanted(listed.begin(), listed.end());
  size_t n_names = shard->names().size();
  if (n_names > wanted.size())
    model.add_warning(fmt::format("{}: {} tensors are not listed in {} and were ignored", path, n_names - wanted.size(),
                                  model.path()));
  model.add(shard, MergeRule::Disjoint, [&](const std::string& name) { return wanted.contains(name) ? name : ""; });
}

std::unique_ptr<WeightSource> open_sharded(const std::string& path) {
  ShardIndex index = read_shard_index(path);
  auto model = std::make_unique<MergedSource>(path);
  for (const auto& [shard, listed] : index.shards) add_shard(*model, shard, listed);
  return model;
}

std::unique_ptr<WeightSource> open_index(const std::string& path) {
  if (path.ends_with(".bin.index.json")) return open_sharded(path);
  return std::make_unique<SafetensorsFile>(SafetensorsFile::open(path));
}

}  // namespace

std::unique_ptr<WeightSource> open_weights(const std::string& path) {
  if (std::filesystem::is_directory(path)) return open_weights(weights_in_folder(path));
  if (path.ends_with(".json")) return open_index(path);
  auto map = MappedFile::open(path);
  if (starts_with(map->bytes(), "GGUF") || path.ends_with(".gguf"))
    return std::make_unique<GgufFile>(GgufFile::open(path));  // which may map other parts too
  if (TorchFile::recognises(map->bytes()))
    return std::make_unique<TorchFile>(TorchFile::parse(map->bytes(), path, map));
  if (starts_with(map->bytes(), "version https://git-lfs"))
    throw invalid_input("{}: a pointer left by git, not the file itself; fetch it with: git lfs pull", path);
  return std::make_unique<SafetensorsFile>(SafetensorsFile::parse(map->bytes(), path, map));
}

Tensor tensor_over(DType dtype, const Shape& shape, std::span<const std::byte> bytes,
                   const std::shared_ptr<const void>& owner) {
  auto* data = const_cast<std::byte*>(bytes.data());
  if (reinterpret_cast<uintptr_t>(data) % natural_alignment(dtype) == 0) return Tensor::view(dtype, shape, data, owner);
  Tensor copy = Tensor::make(dtype, shape);
  if (!bytes.empty()) std::memcpy(copy.bytes(), bytes.data(), bytes.size());
  return copy;
}

}  // namespace galago
