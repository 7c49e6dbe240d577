#include "formats/gguf.h"

#include <cstdio>
#include <filesystem>

#include "base/file.h"
#include "formats/gguf_parser.h"

namespace galago {
namespace {

constexpr int64_t kMaxParts = 9999;

// The path of part `index` (from 0) of a split model, made from the path of its first part.
std::string part_path(const std::string& first, int64_t index, int64_t count) {
  std::string ending = fmt::format("-00001-of-{:05}.gguf", count);
  if (!first.ends_with(ending))
    throw invalid_input("{}: first of {} parts; expected a file name that ends in {}", first, count, ending);
  return fmt::format("{}-{:05}-of-{:05}.gguf", first.substr(0, first.size() - ending.size()), index + 1, count);
}

void check_part(const GgufFile& part, int64_t index, int64_t count) {
  int64_t found_index = part.get_count("split.no", 0, kMaxParts), found = part.get_count("split.count", 1, kMaxParts);
  if (found_index != index || found != count)
    throw invalid_input("{}: says part {} of {}; expected part {} of {}", part.path(), found_index + 1, found,
                        index + 1, count);
}

void check_tensor_total(const GgufFile& file) {
  int64_t total = file.get_i64("split.tensors.count", static_cast<int64_t>(file.tensors().size()));
  if (total != static_cast<int64_t>(file.tensors().size()))
    throw invalid_input("{}: all parts together have {} tensors; split.tensors.count says {}", file.path(),
                        file.tensors().size(), total);
}

GgufFile open_one(const std::string& path) {
  auto map = MappedFile::open(path);
  return GgufFile::parse(map->bytes(), path, map);
}

}  // namespace

GgufFile GgufFile::parse(std::span<const std::byte> bytes, const std::string& subject,
                         std::shared_ptr<const void> owner) {
  return GgufParser(bytes, subject, std::move(owner)).parse();
}

GgufFile GgufFile::open(const std::string& path) {
  GgufFile file = open_one(path);
  int64_t count = file.get_count("split.count", 1, kMaxParts, 1);
  int64_t index = file.get_count("split.no", 0, kMaxParts, 0);
  if (index != 0)
    throw invalid_input("{}: part {} of a split model; open the part whose name ends in -00001-of-{:05}.gguf", path,
                        index + 1, count);
  if (count == 1) return file;
  for (int64_t i = 1; i < count; ++i) {
    GgufFile part = open_one(part_path(path, i, count));
    check_part(part, i, count);
    file.append_part(std::move(part));
  }
  check_tensor_total(file);
  return file;
}

void GgufFile::append_part(GgufFile part) {
  for (GgufTensor& tensor : part.tensors_) {
    tensor.part = parts_.size();
    if (!tensor_index_.emplace(tensor.name, tensors_.size()).second)
      throw invalid_input("{}: tensor {} is in an earlier part too", part.path_, tensor.name);
    tensors_.push_back(std::move(tensor));
  }
  parts_.push_back(std::move(part.parts_[0]));
}

const GgufTensor* GgufFile::find_tensor(std::string_view name) const {
  auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

std::vector<std::string> GgufFile::names() const {
  std::vector<std::string> names;
  for (const GgufTensor& tensor : tensors_) names.emplace_back(tensor.name);
  return names;
}

std::span<const std::byte> GgufFile::tensor_bytes(const GgufTensor& tensor) const {
  return parts_[tensor.part].data.subspan(tensor.offset, tensor.n_bytes);
}

Tensor GgufFile::get(std::string_view name) const {
  const GgufTensor* tensor = find_tensor(name);
  if (!tensor) throw not_found("{}: no tensor {}", path_, name);
  if (!tensor->type.dtype)
    throw unsupported("{}: tensor {} has type {}, which is not supported; use a Q2_K..Q6_K, IQ4, Q8_0 or F16 file",
                      path_, name, tensor->type.name);
  return tensor_over(tensor->type.dtype->dtype, tensor->shape, tensor_bytes(*tensor), parts_[tensor->part].owner);
}

}  // namespace galago
