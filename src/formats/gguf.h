// GGUF files (ggml-org/ggml, docs/gguf.md, versions 2 and 3): metadata, and a table of tensors stored one after the
// other. A file is hostile until checked: everything in it is verified against the file size when it is opened.
#pragma once

#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf_types.h"
#include "formats/weight_source.h"

namespace galago {

// One metadata value: a view of its bytes in the file.
struct GgufEntry {
  std::string_view key;
  GgufType type;
  GgufType element;                  // of an array; the type itself otherwise
  uint64_t count;                    // elements of an array; 1 otherwise
  std::span<const std::byte> bytes;  // the value, or the packed elements; a string without its length

  bool is_array() const { return type == GgufType::Array; }
  std::string type_text() const;                        // "u32", "string[32000]"
  std::string to_string(uint64_t max_items = 6) const;  // for people: escaped and shortened
};

struct GgufTensor {
  std::string_view name;
  Shape shape;          // outermost first: the reverse of the order in the file
  GgufTensorType type;  // type.dtype is null if it can only be listed
  uint64_t offset;      // from the start of the data part
  uint64_t n_bytes;
  size_t part;  // which file of a split model; 0 otherwise
};

// Not copied cheaply (it holds the table); tensors and string views stay valid while the file or a tensor lives.
class GgufFile final : public WeightSource {
 public:
  // Maps the file, and with it all parts of a split model if `path` is its first part. Throws InvalidInput.
  static GgufFile open(const std::string& path);
  // Bytes in memory, kept alive by `owner` (null if the caller does so). `subject` names them in errors.
  static GgufFile parse(std::span<const std::byte> bytes, const std::string& subject,
                        std::shared_ptr<const void> owner = nullptr);

  uint32_t version() const { return version_; }

  // Metadata. A getter without `fallback` throws InvalidInput if the key is missing; all of them throw, naming the
  // key, the type found and the type wanted, if it has another type. Integers convert from every integer type if the
  // value fits; floats from f32 and f64, and must be finite.
  std::span<const GgufEntry> entries() const { return entries_; }  // in file order
  const GgufEntry* find(std::string_view key) const;               // null if missing
  bool has_key(std::string_view key) const { return find(key) != nullptr; }
  uint32_t get_u32(std::string_view key, std::optional<uint32_t> fallback = {}) const;
  int32_t get_i32(std::string_view key, std::optional<int32_t> fallback = {}) const;
  int64_t get_i64(std::string_view key, std::optional<int64_t> fallback = {}) const;
  float get_f32(std::string_view key, std::optional<float> fallback = {}) const;
  bool get_bool(std::string_view key, std::optional<bool> fallback = {}) const;
  std::string_view get_string(std::string_view key, std::optional<std::string_view> fallback = {}) const;  // raw bytes
  // An integer that becomes a size, a loop bound or a divisor: throws unless low <= value <= high.
  int64_t get_count(std::string_view key, int64_t low, int64_t high, std::optional<int64_t> fallback = {}) const;

  std::vector<int32_t> get_i32s(std::string_view key) const;
  std::vector<int64_t> get_i64s(std::string_view key) const;
  std::vector<float> get_f32s(std::string_view key) const;
  std::vector<bool> get_bools(std::string_view key) const;
  std::vector<std::string_view> get_strings(std::string_view key) const;

  // Tensors of all parts, in file order.
  std::span<const GgufTensor> tensors() const { return tensors_; }
  const GgufTensor* find_tensor(std::string_view name) const;  // null if missing
  std::span<const std::byte> tensor_bytes(const GgufTensor& tensor) const;

  const std::string& path() const override { return path_; }
  std::vector<std::string> names() const override;
  bool has(std::string_view name) const override { return find_tensor(name) != nullptr; }
  Tensor get(std::string_view name) const override;

 private:
  friend class GgufParser;
  struct Part {
    std::span<const std::byte> data;
    std::shared_ptr<const void> owner;
  };
  GgufFile() = default;
  void append_part(GgufFile part);
  const GgufEntry* find_or_throw(std::string_view key, bool required) const;
  const GgufEntry& get_array(std::string_view key) const;

  std::string path_;
  uint32_t version_ = 0;
  std::vector<GgufEntry> entries_;
  std::vector<GgufTensor> tensors_;
  std::vector<Part> parts_;
  // Ordered maps: hostile names cannot make them slow.
  std::map<std::string_view, size_t> entry_index_, tensor_index_;
};

}  // namespace galago
