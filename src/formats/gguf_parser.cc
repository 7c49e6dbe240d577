#include "formats/gguf_parser.h"

#include <algorithm>
#include <bit>

#include "base/checked.h"
#include "formats/printable.h"

namespace galago {
namespace {

constexpr uint64_t kMaxEntries = 1'000'000, kMaxTensors = 1'000'000;
constexpr uint64_t kMaxKeyBytes = 65'535, kMaxNameBytes = 255;
constexpr uint64_t kMaxStringBytes = 1ull << 30, kMaxArrayCount = 1ull << 30;
constexpr uint32_t kMaxDims = 4;
constexpr uint64_t kMaxSize = std::numeric_limits<int64_t>::max();
// The smallest records: key length, a one-letter key, type, one byte; name length, n_dims, type, offset.
constexpr uint64_t kMinEntryBytes = 14, kMinTensorBytes = 24;

// The first bytes of ggjt, ggmf and ggml files: a little-endian number that spells the name backwards.
constexpr std::string_view kOldMagics[] = {"tjgg", "fmgg", "lmgg"};

}  // namespace

GgufParser::GgufParser(std::span<const std::byte> bytes, const std::string& subject, std::shared_ptr<const void> owner)
    : bytes_(bytes), subject_(subject), in_(bytes_, subject_), owner_(std::move(owner)) {}

GgufFile GgufParser::parse() {
  file_.path_ = subject_;
  read_header();
  read_entries();
  read_alignment();
  read_tensors();
  place_tensors();
  return std::move(file_);
}

void GgufParser::read_header() {
  auto magic_bytes = in_.take(4, "the magic number");
  std::string_view magic(reinterpret_cast<const char*>(magic_bytes.data()), 4);
  if (std::ranges::find(kOldMagics, magic) != std::end(kOldMagics))
    throw unsupported("{}: a ggml file from before GGUF (August 2023); download the model as GGUF", subject_);
  if (magic != "GGUF")
    throw invalid_input("{}: not a GGUF file: it starts with \"{}\", not \"GGUF\"", subject_, printable(magic));

  uint32_t version = file_.version_ = in_.read<uint32_t>("the version");
  if (version != 0 && (version & 0xFFFF) == 0)
    throw unsupported("{}: a big-endian GGUF file; convert it to little-endian", subject_);
  if (version == 1)
    throw unsupported("{}: GGUF version 1 (32-bit counts) is not supported; convert the model again", subject_);
  if (version < 2 || version > 3)
    throw unsupported("{}: GGUF version {}; this program reads versions 2 and 3", subject_, version);

  n_tensors_ = in_.read<uint64_t>("the number of tensors");
  n_entries_ = in_.read<uint64_t>("the number of metadata entries");
  if (n_entries_ > kMaxEntries || n_entries_ * kMinEntryBytes > in_.remaining())
    throw invalid_input("{}: header says {} metadata entries, more than fit into {} bytes", subject_, n_entries_,
                        in_.remaining());
  if (n_tensors_ > kMaxTensors || n_tensors_ * kMinTensorBytes > in_.remaining())
    throw invalid_input("{}: header says {} tensors, more than fit into {} bytes", subject_, n_tensors_,
                        in_.remaining());
}

void GgufParser::read_entries() {
  for (uint64_t i = 0; i < n_entries_; ++i) {
    GgufEntry entry = read_entry();
    if (!file_.entry_index_.emplace(entry.key, file_.entries_.size()).second)
      throw invalid_input("{}: metadata key {} occurs twice", subject_, entry.key);
    file_.entries_.push_back(entry);
  }
}

GgufEntry GgufParser::read_entry() {
  GgufEntry entry{};
  entry.key = in_.read_string("a metadata key");
  if (entry.key.size() > kMaxKeyBytes || !is_plain_name(entry.key))
    throw invalid_input("{}: metadata key \"{}\" of {} bytes: expected 1 to {} printable ASCII characters", subject_,
                        printable(entry.key), entry.key.size(), kMaxKeyBytes);
  entry.type = entry.element = read_type(entry.key);
  entry.count = 1;
  entry.is_array() ? read_array(entry) : read_value(entry);
  check_bools(entry);
  return entry;
}

GgufType GgufParser::read_type(std::string_view key) {
  auto type = in_.read<uint32_t>(key);
  if (type >= kGgufTypes)
    throw invalid_input("{}: metadata key {} has the unknown type {}; known are 0 to {}", subject_, key, type,
                        kGgufTypes - 1);
  return static_cast<GgufType>(type);
}

void GgufParser::read_value(GgufEntry& entry) {
  if (entry.type != GgufType::String) {
    entry.bytes = in_.take(gguf_type_bytes(entry.type), entry.key);
    return;
  }
  std::string_view text = in_.read_string(entry.key);
  if (text.size() > kMaxStringBytes)
    throw invalid_input("{}: {} is a string of {} bytes; the limit is {}", subject_, entry.key, text.size(),
                        kMaxStringBytes);
  entry.bytes = std::as_bytes(std::span(text));
}

void GgufParser::read_array(GgufEntry& entry) {
  entry.element = read_type(entry.key);
  if (entry.element == GgufType::Array)
    throw invalid_input("{}: metadata key {} is an array of arrays, which is not supported", subject_, entry.key);
  entry.count = in_.read<uint64_t>(entry.key);
  bool strings = entry.element == GgufType::String;
  uint64_t min_bytes = strings ? 8 : gguf_type_bytes(entry.element);
  if (entry.count > kMaxArrayCount || entry.count * min_bytes > in_.remaining())
    throw invalid_input("{}: metadata key {} says {} elements, more than fit into {} bytes", subject_, entry.key,
                        entry.count, in_.remaining());

  uint64_t begin = in_.position();
  if (!strings) in_.take(entry.count * min_bytes, entry.key);
  for (uint64_t i = 0; strings && i < entry.count; ++i) in_.read_string(entry.key);
  entry.bytes = bytes_.subspan(begin, in_.position() - begin);
}

void GgufParser::check_bools(const GgufEntry& entry) const {
  if (entry.element != GgufType::Bool) return;
  for (std::byte value : entry.bytes)
    if (value > std::byte{1})
      throw invalid_input("{}: metadata key {} holds the bool {}; expected 0 or 1", subject_, entry.key,
                          static_cast<int>(value));
}

void GgufParser::read_alignment() {
  const GgufEntry* entry = file_.find("general.alignment");
  if (!entry) return;
  if (entry->type != GgufType::U32)
    throw invalid_input("{}: general.alignment has type {}; expected u32", subject_, entry->type_text());
  uint32_t alignment;
  std::memcpy(&alignment, entry->bytes.data(), 4);
  if (!std::has_single_bit(alignment) || alignment < 8)
    throw invalid_input("{}: general.alignment is {}; expected a power of two, 8 or more", subject_, alignment);
  alignment_ = alignment;
}

void GgufParser::read_tensors() {
  for (uint64_t i = 0; i < n_tensors_; ++i) {
    GgufTensor tensor = read_tensor();
    if (!file_.tensor_index_.emplace(tensor.name, file_.tensors_.size()).second)
      throw invalid_input("{}: tensor {} occurs twice", subject_, tensor.name);
    file_.tensors_.push_back(std::move(tensor));
  }
}

GgufTensor GgufParser::read_tensor() {
  GgufTensor tensor{};
  tensor.name = in_.read_string("a tensor name");
  if (tensor.name.size() > kMaxNameBytes || !is_plain_name(tensor.name))
    throw invalid_input("{}: tensor name \"{}\" of {} bytes: expected 1 to {} printable ASCII characters", subject_,
                        printable(tensor.name), tensor.name.size(), kMaxNameBytes);
  tensor.shape = read_shape(tensor.name);
  tensor.type = gguf_tensor_type(in_.read<uint32_t>(tensor.name), subject_, tensor.name);
  tensor.offset = in_.read<uint64_t>(tensor.name);
  size_tensor(tensor);
  return tensor;
}

// The product with zeros counted as ones must fit, so that later products of dimensions cannot overflow in any order.
Shape GgufParser::read_shape(std::string_view name) {
  auto n_dims = in_.read<uint32_t>(name);
  if (n_dims > kMaxDims)
    throw invalid_input("{}: tensor {} has {} dimensions; at most {} are possible", subject_, name, n_dims, kMaxDims);
  int64_t dims[kMaxDims];
  uint64_t product = 1;
  for (uint32_t i = 0; i < n_dims; ++i) {
    auto dim = in_.read<int64_t>(name);
    auto next = dim < 0 ? std::nullopt : checked_mul(product, std::max<uint64_t>(static_cast<uint64_t>(dim), 1));
    if (!next || *next > kMaxSize)
      throw invalid_input("{}: tensor {}: dimension {} is {}: negative or too large", subject_, name, i, dim);
    product = *next;
    dims[n_dims - 1 - i] = dim;
  }
  return Shape(std::span<const int64_t>(dims, n_dims));
}

void GgufParser::size_tensor(GgufTensor& tensor) {
  auto width = static_cast<uint64_t>(tensor.shape.last());
  if (width % tensor.type.block_values != 0)
    throw invalid_input("{}: tensor {} of type {} has rows of {} values; expected a multiple of {}", subject_,
                        tensor.name, tensor.type.name, width, tensor.type.block_values);
  uint64_t row_blocks = width / tensor.type.block_values;
  auto rows = static_cast<uint64_t>(tensor.shape.rows());
  auto blocks = checked_mul(row_blocks, rows);
  auto n_bytes = blocks ? checked_mul(*blocks, tensor.type.block_bytes) : std::nullopt;
  if (!n_bytes || *n_bytes > kMaxSize)
    throw invalid_input("{}: tensor {} of shape {} is too large", subject_, tensor.name, tensor.shape.to_string());
  tensor.n_bytes = *n_bytes;
}

// Tensors follow each other without gaps, so they cannot overlap, and the last one must end inside the file.
void GgufParser::place_tensors() {
  auto data_start = checked_align_up(in_.position(), alignment_);
  if (file_.tensors_.empty() || !data_start) {
    file_.parts_.push_back({{}, owner_});
    return;
  }
  uint64_t data_bytes = bytes_.size() > *data_start ? bytes_.size() - *data_start : 0;
  uint64_t expected = 0;
  for (const GgufTensor& tensor : file_.tensors_) {
    if (tensor.offset != expected)
      throw invalid_input("{}: tensor {} is at offset {}; expected {}, where the one before it ends", subject_,
                          tensor.name, tensor.offset, expected);
    auto end = checked_add(tensor.offset, tensor.n_bytes);
    if (!end || *end > data_bytes)
      throw invalid_input(
          "{}: tensor {} of {} bytes at offset {} reaches past the end of the {} bytes of data; "
          "download the file again",
          subject_, tensor.name, tensor.n_bytes, tensor.offset, data_bytes);
    auto next = checked_align_up(*end, alignment_);
    if (!next) throw invalid_input("{}: tensor {} ends at an impossible offset", subject_, tensor.name);
    expected = *next;
  }
  file_.parts_.push_back({bytes_.subspan(std::min<uint64_t>(*data_start, bytes_.size())), owner_});
}

}  // namespace galago
