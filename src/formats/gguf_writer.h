// Writes GGUF version 3: metadata in the order it was set, then tensors in the order they were added, each padded to
// 32 bytes. Tensor data is produced one tensor at a time while saving, so a model never has to be in memory twice.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "formats/gguf.h"

namespace galago {

// One owner, one thread. Setting a key again replaces its value in place.
class GgufWriter {
 public:
  // T: uint8_t .. int64_t, float, double, bool. Write the type explicitly, set<uint32_t>("a.b", 5): readers of other
  // programs insist on the type.
  template <class T>
  void set(std::string_view key, T value);
  void set_string(std::string_view key, std::string_view value);
  template <class T>
  void set_array(std::string_view key, std::span<const T> values);
  void set_strings(std::string_view key, std::span<const std::string> values);
  // Everything but what describes the old file itself: general.alignment, general.quantization_version, split.*.
  void copy_metadata(const GgufFile& from);

  // Adds a tensor; `make` is called once in save() and must return this dtype and shape. Throws InvalidInput if GGUF
  // has no such type, for more than 4 dimensions, or a name that is taken, not ASCII or longer than 63 bytes.
  void add(std::string_view name, DType dtype, const Shape& shape, std::function<Tensor()> make);
  void add(std::string_view name, Tensor tensor);

  // Writes a temporary file, syncs it and renames it to `path`.
  void save(const std::string& path);

 private:
  struct Entry {
    std::string key;
    uint32_t type;
    std::string value;  // as it is stored
  };
  struct Record {
    std::string name;
    DType dtype;
    Shape shape;
    std::function<Tensor()> make;
    uint64_t n_bytes() const;
  };
  void put(std::string_view key, GgufType type, std::string value);
  std::string header();
  static void write_tensor(AtomicFile& file, const Record& record);

  std::vector<Entry> entries_;
  std::vector<Record> records_;
  std::map<std::string, size_t, std::less<>> entry_index_, record_index_;
};

}  // namespace galago
