// The typed getters of GgufFile, and metadata as text.
#include <cmath>
#include <limits>

#include "formats/byte_reader.h"
#include "formats/gguf.h"
#include "formats/printable.h"

namespace galago {
namespace {

template <class T>
T load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

// Wide enough for every integer type of the format.
__extension__ typedef __int128 Wide;

Wide load_integer(GgufType type, const std::byte* bytes) {
  switch (type) {
    case GgufType::U8:
      return load<uint8_t>(bytes);
    case GgufType::I8:
      return load<int8_t>(bytes);
    case GgufType::U16:
      return load<uint16_t>(bytes);
    case GgufType::I16:
      return load<int16_t>(bytes);
    case GgufType::U32:
      return load<uint32_t>(bytes);
    case GgufType::I32:
      return load<int32_t>(bytes);
    case GgufType::U64:
      return load<uint64_t>(bytes);
    case GgufType::I64:
      return load<int64_t>(bytes);
    default:
      break;
  }
  CHECK(false, "{} is no integer", gguf_type_name(type));
  return 0;
}

double load_float(GgufType type, const std::byte* bytes) {
  return type == GgufType::F32 ? static_cast<double>(load<float>(bytes)) : load<double>(bytes);
}

bool is_float(GgufType type) { return type == GgufType::F32 || type == GgufType::F64; }

Error wrong_type(const std::string& path, const GgufEntry& entry, std::string_view wanted) {
  return invalid_input("{}: metadata key {} has type {}; expected {}", path, entry.key, entry.type_text(), wanted);
}

template <class T>
T to_integer(const std::string& path, const GgufEntry& entry, const std::byte* bytes, int64_t low, int64_t high) {
  Wide value = load_integer(entry.element, bytes);
  if (value < low || value > high)
    throw invalid_input("{}: metadata key {} is {}{}; expected {} to {}", path, entry.key, value < 0 ? "-" : "",
                        static_cast<uint64_t>(value < 0 ? -value : value), low, high);
  return static_cast<T>(value);
}

template <class T>
T to_integer(const std::string& path, const GgufEntry& entry, const std::byte* bytes) {
  return to_integer<T>(path, entry, bytes, std::numeric_limits<T>::min(), std::numeric_limits<T>::max());
}

float to_float(const std::string& path, const GgufEntry& entry, const std::byte* bytes) {
  double value = load_float(entry.element, bytes);
  if (!std::isfinite(value) || std::fabs(value) > std::numeric_limits<float>::max())
    throw invalid_input("{}: metadata key {} holds {}; expected a finite number", path, entry.key, value);
  return static_cast<float>(value);
}

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <class T>
std::vector<T> integers(const std::string& path, const GgufEntry& entry) {
  if (!is_integer(entry.element)) throw wrong_type(path, entry, "an array of integers");
  std::vector<T> values(entry.count);
  size_t step = gguf_type_bytes(entry.element);
  for (size_t i = 0; i < values.size(); ++i) values[i] = to_integer<T>(path, entry, &entry.bytes[i * step]);
  return values;
}

std::string scalar_text(GgufType type, const std::byte* bytes) {
  if (type == GgufType::Bool) return bytes[0] == std::byte{0} ? "false" : "true";
  if (is_float(type)) return fmt::format("{:g}", load_float(type, bytes));
  if (type == GgufType::U64) return fmt::format("{}", load<uint64_t>(bytes));
  return fmt::format("{}", static_cast<int64_t>(load_integer(type, bytes)));
}

constexpr size_t kShownCharacters = 80;

std::string quoted(std::string_view text) { return fmt::format("\"{}\"", printable(text, kShownCharacters)); }

}  // namespace

std::string GgufEntry::type_text() const {
  return is_array() ? fmt::format("{}[{}]", gguf_type_name(element), count) : std::string(gguf_type_name(type));
}

std::string GgufEntry::to_string(uint64_t max_items) const {
  if (type == GgufType::String) return quoted(as_text(bytes));
  if (!is_array()) return scalar_text(type, bytes.data());
  std::string text = "[";
  std::string subject(key);
  ByteReader in(bytes, subject);
  for (uint64_t i = 0; i < std::min(count, max_items); ++i) {
    if (i > 0) text += ", ";
    text += element == GgufType::String ? quoted(in.read_string(key))
                                        : scalar_text(element, in.take(gguf_type_bytes(element), key).data());
  }
  return text + (count > max_items ? ", ...]" : "]");
}

const GgufEntry* GgufFile::find(std::string_view key) const {
  auto found = entry_index_.find(key);
  return found == entry_index_.end() ? nullptr : &entries_[found->second];
}

const GgufEntry* GgufFile::find_or_throw(std::string_view key, bool required) const {
  const GgufEntry* entry = find(key);
  if (!entry && required) throw invalid_input("{}: metadata key {} is missing", path_, key);
  return entry;
}

int64_t GgufFile::get_count(std::string_view key, int64_t low, int64_t high, std::optional<int64_t> fallback) const {
  const GgufEntry* entry = find_or_throw(key, !fallback);
  if (!entry) return *fallback;
  if (!is_integer(entry->type)) throw wrong_type(path_, *entry, "an integer");
  return to_integer<int64_t>(path_, *entry, entry->bytes.data(), low, high);
}

int64_t GgufFile::get_i64(std::string_view key, std::optional<int64_t> fallback) const {
  return get_count(key, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(), fallback);
}

uint32_t GgufFile::get_u32(std::string_view key, std::optional<uint32_t> fallback) const {
  return static_cast<uint32_t>(get_count(key, 0, std::numeric_limits<uint32_t>::max(), fallback));
}

int32_t GgufFile::get_i32(std::string_view key, std::optional<int32_t> fallback) const {
  using Limits = std::numeric_limits<int32_t>;
  return static_cast<int32_t>(get_count(key, Limits::min(), Limits::max(), fallback));
}

float GgufFile::get_f32(std::string_view key, std::optional<float> fallback) const {
  const GgufEntry* entry = find_or_throw(key, !fallback);
  if (!entry) return *fallback;
  if (!is_float(entry->type)) throw wrong_type(path_, *entry, "f32 or f64");
  return to_float(path_, *entry, entry->bytes.data());
}

bool GgufFile::get_bool(std::string_view key, std::optional<bool> fallback) const {
  const GgufEntry* entry = find_or_throw(key, !fallback);
  if (!entry) return *fallback;
  if (entry->type != GgufType::Bool) throw wrong_type(path_, *entry, "bool");
  return entry->bytes[0] != std::byte{0};
}

std::string_view GgufFile::get_string(std::string_view key, std::optional<std::string_view> fallback) const {
  const GgufEntry* entry = find_or_throw(key, !fallback);
  if (!entry) return *fallback;
  if (entry->type != GgufType::String) throw wrong_type(path_, *entry, "string");
  return as_text(entry->bytes);
}

const GgufEntry& GgufFile::get_array(std::string_view key) const {
  const GgufEntry* entry = find_or_throw(key, true);
  if (!entry->is_array()) throw wrong_type(path_, *entry, "an array");
  return *entry;
}

std::vector<int32_t> GgufFile::get_i32s(std::string_view key) const { return integers<int32_t>(path_, get_array(key)); }

std::vector<int64_t> GgufFile::get_i64s(std::string_view key) const { return integers<int64_t>(path_, get_array(key)); }

std::vector<float> GgufFile::get_f32s(std::string_view key) const {
  const GgufEntry& entry = get_array(key);
  if (!is_float(entry.element)) throw wrong_type(path_, entry, "an array of f32 or f64");
  std::vector<float> values(entry.count);
  size_t step = gguf_type_bytes(entry.element);
  for (size_t i = 0; i < values.size(); ++i) values[i] = to_float(path_, entry, &entry.bytes[i * step]);
  return values;
}

std::vector<bool> GgufFile::get_bools(std::string_view key) const {
  const GgufEntry& entry = get_array(key);
  if (entry.element != GgufType::Bool) throw wrong_type(path_, entry, "an array of bool");
  std::vector<bool> values(entry.count);
  for (size_t i = 0; i < values.size(); ++i) values[i] = entry.bytes[i] != std::byte{0};
  return values;
}

std::vector<std::string_view> GgufFile::get_strings(std::string_view key) const {
  const GgufEntry& entry = get_array(key);
  if (entry.element != GgufType::String) throw wrong_type(path_, entry, "an array of strings");
  ByteReader in(entry.bytes, path_);
  std::vector<std::string_view> values(entry.count);
  for (std::string_view& value : values) value = in.read_string(key);
  return values;
}

}  // namespace galago
