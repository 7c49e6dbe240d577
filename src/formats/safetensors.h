// safetensors (huggingface/safetensors): u64 length of a JSON header, the header, then the tensors without gaps.
// Single files, and the model.safetensors.index.json that spreads a model over several.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "formats/weight_source.h"

namespace galago {

struct SafetensorsRecord {
  std::string name;
  std::string dtype_name;  // as in the file: "BF16"
  const DTypeInfo* dtype;  // null if it can only be listed
  Shape shape;
  uint64_t begin, end;  // bytes in the data part
  size_t part;          // which shard; 0 in a single file
};

class SafetensorsFile final : public WeightSource {
 public:
  // A .safetensors file, or the .index.json of a sharded model whose shards lie in the same folder. Throws InvalidInput
  // unless the tensors fill the data part exactly, each once.
  static SafetensorsFile open(const std::string& path);
  static SafetensorsFile parse(std::span<const std::byte> bytes, const std::string& subject,
                               std::shared_ptr<const void> owner = nullptr);

  std::span<const SafetensorsRecord> tensors() const { return tensors_; }           // by name
  const SafetensorsRecord* find_tensor(std::string_view name) const;                // null if missing
  const std::map<std::string, std::string>& metadata() const { return metadata_; }  // "__metadata__"; of a single file
  // Tensors in shards that the index does not list (they are not in tensors()), and a wrong total size.
  std::vector<std::string> warnings() const override { return warnings_; }

  const std::string& path() const override { return path_; }
  std::vector<std::string> names() const override;
  bool has(std::string_view name) const override { return find_tensor(name) != nullptr; }
  Tensor get(std::string_view name) const override;

 private:
  struct Part {
    std::string path;
    std::span<const std::byte> data;
    std::shared_ptr<const void> owner;
  };
  SafetensorsFile() = default;
  static SafetensorsFile open_index(const std::string& path);
  void add_shard(const SafetensorsFile& shard, const std::vector<std::string>& listed);
  void build_index();

  std::string path_;
  std::vector<SafetensorsRecord> tensors_;
  std::vector<Part> parts_;
  std::map<std::string, std::string> metadata_;
  std::vector<std::string> warnings_;
  std::map<std::string, size_t, std::less<>> index_;
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

// Writes tensors sorted by size of their numbers, then by name, so that all are aligned. Metadata gets
// {"format": "pt"} unless it has a format: transformers refuses files without. Throws InvalidInput for quantized
// tensors and for names given twice. A tied tensor must be given once.
void write_safetensors(const std::string& path, std::vector<NamedTensor> tensors,
                       std::map<std::string, std::string> metadata = {});

}  // namespace galago
