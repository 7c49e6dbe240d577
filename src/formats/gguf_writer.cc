#include "formats/gguf_writer.h"

#include "base/checked.h"
#include "formats/printable.h"

namespace galago {
namespace {

constexpr uint64_t kAlignment = 32;
constexpr size_t kMaxNameBytes = 63;  // the fixed field of the reference program, without its final zero
constexpr uint32_t kVersion = 3, kQuantizationVersion = 2;
constexpr int kMaxDims = 4;
constexpr uint32_t kGgufIds = 1000;  // file ids from here are formats that GGUF does not have

template <class T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_string(std::string& out, std::string_view text) {
  append<uint64_t>(out, text.size());
  out += text;
}

template <class T>
constexpr GgufType gguf_type_of();
#define GGUF_TYPE(cpp_type, id)                 \
  template <>                                   \
  constexpr GgufType gguf_type_of<cpp_type>() { \
    return GgufType::id;                        \
  }
GGUF_TYPE(uint8_t, U8)
GGUF_TYPE(int8_t, I8)
GGUF_TYPE(uint16_t, U16)
GGUF_TYPE(int16_t, I16)
GGUF_TYPE(uint32_t, U32)
GGUF_TYPE(int32_t, I32)
GGUF_TYPE(float, F32)
GGUF_TYPE(bool, Bool)
GGUF_TYPE(uint64_t, U64)
GGUF_TYPE(int64_t, I64)
GGUF_TYPE(double, F64)
#undef GGUF_TYPE

std::string array_head(GgufType element, uint64_t count) {
  std::string value;
  append(value, static_cast<uint32_t>(element));
  append(value, count);
  return value;
}

bool describes_the_container(std::string_view key) {
  return key == "general.alignment" || key == "general.quantization_version" || key.starts_with("split.");
}

std::string padding(uint64_t position) { return std::string(*checked_align_up(position, kAlignment) - position, '\0'); }

}  // namespace

void GgufWriter::put(std::string_view key, GgufType type, std::string value) {
  CHECK(is_plain_name(key), "metadata key \"{}\"", printable(key));
  CHECK(key != "general.alignment", "the writer aligns to {}", kAlignment);
  auto [found, is_new] = entry_index_.emplace(key, entries_.size());
  if (is_new) entries_.emplace_back();
  entries_[found->second] = {std::string(key), static_cast<uint32_t>(type), std::move(value)};
}

template <class T>
void GgufWriter::set(std::string_view key, T value) {
  std::string bytes;
  append(bytes, value);
  put(key, gguf_type_of<T>(), std::move(bytes));
}

template <class T>
void GgufWriter::set_array(std::string_view key, std::span<const T> values) {
  std::string bytes = array_head(gguf_type_of<T>(), values.size());
  bytes.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  put(key, GgufType::Array, std::move(bytes));
}

#define INSTANTIATE(T)                                             \
  template void GgufWriter::set<T>(std::string_view key, T value); \
  template void GgufWriter::set_array<T>(std::string_view key, std::span<const T> values);
INSTANTIATE(uint8_t)
INSTANTIATE(int8_t)
INSTANTIATE(uint16_t)
INSTANTIATE(int16_t)
INSTANTIATE(uint32_t)
INSTANTIATE(int32_t)
INSTANTIATE(uint64_t)
INSTANTIATE(int64_t)
INSTANTIATE(float)
INSTANTIATE(double)
INSTANTIATE(bool)
#undef INSTANTIATE

void GgufWriter::set_string(std::string_view key, std::string_view value) {
  std::string bytes;
  append_string(bytes, value);
  put(key, GgufType::String, std::move(bytes));
}

void GgufWriter::set_strings(std::string_view key, std::span<const std::string> values) {
  std::string bytes = array_head(GgufType::String, values.size());
  for (const std::string& value : values) append_string(bytes, value);
  put(key, GgufType::Array, std::move(bytes));
}

void GgufWriter::copy_metadata(const GgufFile& from) {
  for (const GgufEntry& entry : from.entries()) {
    if (describes_the_container(entry.key)) continue;
    std::string_view stored(reinterpret_cast<const char*>(entry.bytes.data()), entry.bytes.size());
    std::string value;
    if (entry.is_array()) value = array_head(entry.element, entry.count);
    if (entry.type == GgufType::String) append<uint64_t>(value, stored.size());
    put(entry.key, entry.type, value.append(stored));
  }
}

uint64_t GgufWriter::Record::n_bytes() const {
  return row_bytes(dtype, shape.last()) * static_cast<uint64_t>(shape.rows());
}

void GgufWriter::add(std::string_view name, DType dtype, const Shape& shape, std::function<Tensor()> make) {
  const DTypeInfo& type = info(dtype);
  if (!is_plain_name(name) || name.size() > kMaxNameBytes)
    throw invalid_input("tensor name \"{}\" of {} bytes: GGUF allows 1 to {} printable ASCII characters",
                        printable(name), name.size(), kMaxNameBytes);
  if (type.file_id >= kGgufIds)
    throw invalid_input("tensor {} is {}, which GGUF cannot store; convert it to i8, i32 or f32", name, type.name);
  if (shape.rank() > kMaxDims)
    throw invalid_input("tensor {} has shape {}; GGUF allows at most {} dimensions, reshape it", name,
                        shape.to_string(), kMaxDims);
  if (shape.last() % type.block_values != 0)
    throw invalid_input("tensor {} has rows of {} values, not a multiple of {}; it cannot be {}", name, shape.last(),
                        type.block_values, type.name);
  if (!record_index_.emplace(name, records_.size()).second) throw invalid_input("tensor {} is added twice", name);
  records_.push_back({std::string(name), dtype, shape, std::move(make)});
}

void GgufWriter::add(std::string_view name, Tensor tensor) {
  add(name, tensor.dtype(), tensor.shape(), [tensor] { return tensor; });
}

std::string GgufWriter::header() {
  std::string out = "GGUF";
  append(out, kVersion);
  append<uint64_t>(out, records_.size());
  append<uint64_t>(out, entries_.size());
  for (const Entry& entry : entries_) {
    append_string(out, entry.key);
    append(out, entry.type);
    out += entry.value;
  }
  uint64_t offset = 0;
  for (const Record& record : records_) {
    append_string(out, record.name);
    append(out, static_cast<uint32_t>(record.shape.rank()));
    for (int axis = record.shape.rank() - 1; axis >= 0; --axis) append(out, record.shape[axis]);
    append(out, info(record.dtype).file_id);
    append(out, offset);
    offset = *checked_align_up(offset + record.n_bytes(), kAlignment);
  }
  return out;
}

void GgufWriter::write_tensor(AtomicFile& file, const Record& record) {
  Tensor tensor = record.make();
  CHECK(tensor.dtype() == record.dtype && tensor.shape() == record.shape, "tensor {} is not what was announced",
        record.name);
  if (tensor.n_bytes() > 0) file.write(tensor.bytes(), tensor.n_bytes());
  file.write(padding(file.position()));
}

void GgufWriter::save(const std::string& path) {
  bool quantized = false;
  for (const Record& record : records_) quantized = quantized || info(record.dtype).quantized();
  if (quantized) set<uint32_t>("general.quantization_version", kQuantizationVersion);

  AtomicFile file(path);
  file.write(header());
  if (!records_.empty()) file.write(padding(file.position()));
  for (const Record& record : records_) write_tensor(file, record);
  file.commit();
}

}  // namespace galago
