#include "formats/weight_source.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"

namespace galago {
namespace {

// The largest power of two that divides the size of one number or block, at most 8.
size_t natural_alignment(DType dtype) {
  size_t bytes = info(dtype).block_bytes;
  return std::min<size_t>(bytes & (~bytes + 1), 8);
}

bool starts_with_magic(const std::string& path) {
  auto file = MappedFile::open(path);
  return file->bytes().size() >= 4 && std::memcmp(file->bytes().data(), "GGUF", 4) == 0;
}

std::string weights_in_folder(const std::string& folder) {
  for (const char* name : {"model.safetensors", "model.safetensors.index.json"}) {
    auto path = std::filesystem::path(folder) / name;
    if (std::filesystem::exists(path)) return path.string();
  }
  throw not_found("{}: neither model.safetensors nor model.safetensors.index.json is in this folder", folder);
}

}  // namespace

std::unique_ptr<WeightSource> open_weights(const std::string& path) {
  if (std::filesystem::is_directory(path)) return open_weights(weights_in_folder(path));
  if (path.ends_with(".json")) return std::make_unique<SafetensorsFile>(SafetensorsFile::open(path));
  if (starts_with_magic(path)) return std::make_unique<GgufFile>(GgufFile::open(path));
  if (path.ends_with(".gguf")) return std::make_unique<GgufFile>(GgufFile::open(path));  // throws what is wrong
  return std::make_unique<SafetensorsFile>(SafetensorsFile::open(path));
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
