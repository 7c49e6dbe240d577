// Reads one GGUF container into a GgufFile. Used by gguf.cc only.
#pragma once

#include "formats/byte_reader.h"
#include "formats/gguf.h"

namespace galago {

class GgufParser {
 public:
  GgufParser(std::span<const std::byte> bytes, const std::string& subject, std::shared_ptr<const void> owner);
  GgufFile parse();

 private:
  void read_header();
  void read_entries();
  GgufEntry read_entry();
  void read_value(GgufEntry& entry);
  void read_array(GgufEntry& entry);
  void check_bools(const GgufEntry& entry) const;
  GgufType read_type(std::string_view key);
  void read_alignment();
  void read_tensors();
  GgufTensor read_tensor();
  Shape read_shape(std::string_view name);
  void size_tensor(GgufTensor& tensor);
  void place_tensors();

  std::span<const std::byte> bytes_;
  std::string subject_;
  ByteReader in_;
  GgufFile file_;
  std::shared_ptr<const void> owner_;
  uint64_t n_tensors_ = 0, n_entries_ = 0, alignment_ = 32;
};

}  // namespace galago
