#include "formats/torch_file.h"

#include <algorithm>
#include <cstring>

#include "base/file.h"
#include "formats/byte_reader.h"
#include "formats/printable.h"
#include "formats/zip.h"

namespace galago {
namespace {

using Kind = PickleValue::Kind;

constexpr std::string_view kZipMagic = "PK\x03\x04";
// A pickle whose first value is the long 0x1950A86A20F9469CFC6C: protocol 2, LONG1 of 10 bytes.
constexpr std::string_view kLegacyMagic = "\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19";
constexpr int64_t kLegacyProtocol = 1001;

bool starts_with(std::span<const std::byte> bytes, std::string_view text) {
  return bytes.size() >= text.size() && std::memcmp(bytes.data(), text.data(), text.size()) == 0;
}

bool is_tar(std::span<const std::byte> bytes) {
  return bytes.size() >= 512 && std::memcmp(bytes.data() + 257, "ustar", 5) == 0;
}

// The length of a safetensors header may begin with any bytes, those of a pickle among them; its "{" tells.
bool may_be_safetensors(std::span<const std::byte> bytes) { return bytes.size() > 8 && bytes[8] == std::byte{'{'}; }

}  // namespace

// Finds the pickle and the bytes of each storage in either container.
class TorchParser {
 public:
  TorchParser(std::span<const std::byte> bytes, const std::string& subject, std::string_view key)
      : bytes_(bytes), subject_(subject), key_(key) {
    file_.path_ = subject;
  }

  TorchFile run(std::shared_ptr<const void> owner) {
    file_.owner_ = std::move(owner);
    if (starts_with(bytes_, kZipMagic))
      read_zip();
    else if (starts_with(bytes_, kLegacyMagic))
      read_legacy();
    else
      throw not_torch();
    for (size_t i = 0; i < file_.records_.size(); ++i) file_.index_.emplace(file_.records_[i].name, i);
    return std::move(file_);
  }

 private:
  Error not_torch() const {
    if (is_tar(bytes_))
      return unsupported("{}: a tar file of torch before 0.1.10; load it in Python and save it again", subject_);
    if (!bytes_.empty() && bytes_[0] == std::byte{0x80})
      return unsupported("{}: a bare pickle, not a file written by torch.save", subject_);
    return invalid_input("{}: neither a zip file nor a stream written by torch.save", subject_);
  }

  void take_state(const Pickle& pickle, const TorchStorages& storages) {
    TorchState state = read_torch_state(pickle, storages, subject_, key_);
    file_.state_key_ = std::move(state.key);
    file_.metadata_ = std::move(state.metadata);
    file_.records_ = std::move(state.records);
  }

  // The zip container: FOLDER/data.pkl, FOLDER/data/KEY ...

  void read_zip() {
    ZipFile zip = ZipFile::parse(bytes_, subject_);
    std::string folder = archive_folder(zip);
    if (zip.find(folder + "byteorder")) check_byte_order(zip.read(folder + "byteorder", true));
    Pickle pickle = Pickle::parse(zip.read(folder + "data.pkl", true), subject_);
    TorchStorages storages = read_torch_storages(pickle, subject_);
    for (const auto& [key, storage] : storages) {
      auto data = zip.read(fmt::format("{}data/{}", folder, key), false);
      if (data.size() != storage.n_bytes)
        throw invalid_input("{}: storage {} has {} bytes; expected {}", subject_, printable(key), data.size(),
                            storage.n_bytes);
      file_.storages_.emplace(key, data);
    }
    take_state(pickle, storages);
  }

  std::string archive_folder(const ZipFile& zip) const {
    std::string_view found;
    for (const ZipEntry& entry : zip.entries()) {
      if (!entry.name.ends_with("/data.pkl")) continue;
      if (!found.empty()) throw invalid_input("{}: the zip file has more than one data.pkl", subject_);
      found = entry.name;
    }
    if (found.empty())
      throw invalid_input("{}: a zip file without data.pkl; expected one written by torch.save", subject_);
    return std::string(found.substr(0, found.size() - std::string_view("data.pkl").size()));
  }

  void check_byte_order(std::span<const std::byte> text) const {
    if (!starts_with(text, "little"))
      throw unsupported("{}: not in little-endian byte order; save it again on an ordinary machine", subject_);
  }

  // The legacy stream: magic, protocol, machine, object, storage keys, each a pickle; then the storages.

  void read_legacy() {
    next_pickle();
    check_protocol(next_pickle());
    check_machine(next_pickle());
    Pickle object = next_pickle();
    Pickle keys = next_pickle();
    TorchStorages storages = read_torch_storages(object, subject_);
    read_legacy_storages(keys, storages);
    for (const auto& [key, storage] : storages)
      if (!file_.storages_.contains(key))
        throw invalid_input("{}: storage {} is missing from the list of storages", subject_, printable(key));
    take_state(object, storages);
  }

  Pickle next_pickle() {
    Pickle pickle = Pickle::parse(bytes_.subspan(position_), subject_);
    position_ += pickle.n_bytes();
    return pickle;
  }

  void check_protocol(const Pickle& pickle) const {
    const PickleValue& version = pickle.at(pickle.root());
    if (version.kind != Kind::Int || version.integer != kLegacyProtocol)
      throw unsupported("{}: protocol {}; expected {}", subject_, version.integer, kLegacyProtocol);
  }

  void check_machine(const Pickle& pickle) const {
    const PickleValue* little = pickle.find(pickle.at(pickle.root()), "little_endian");
    if (!little || little->kind != Kind::Bool || !little->integer)
      throw unsupported("{}: not in little-endian byte order; save it again on an ordinary machine", subject_);
  }

  void read_legacy_storages(const Pickle& keys, const TorchStorages& storages) {
    const PickleValue& list = keys.at(keys.root());
    if (!list.is_list()) throw invalid_input("{}: the list of storages is missing", subject_);
    ByteReader in(bytes_.subspan(position_), subject_);
    for (PickleId id : list.items) {
      std::string_view key = keys.at(id).text;
      auto storage = storages.find(key);
      if (storage == storages.end())
        throw invalid_input("{}: storage {} belongs to no tensor", subject_, printable(key));
      auto numel = in.read<uint64_t>("a storage length");
      if (numel != storage->second.numel)
        throw invalid_input("{}: storage {} has {} numbers; expected {}", subject_, printable(key), numel,
                            storage->second.numel);
      if (!file_.storages_.emplace(key, in.take(storage->second.n_bytes, "a storage")).second)
        throw invalid_input("{}: storage {} is listed twice", subject_, printable(key));
    }
  }

  std::span<const std::byte> bytes_;
  const std::string& subject_;
  std::string_view key_;
  TorchFile file_;
  uint64_t position_ = 0;
};

TorchFile TorchFile::parse(std::span<const std::byte> bytes, const std::string& subject,
                           std::shared_ptr<const void> owner, std::string_view key) {
  return TorchParser(bytes, subject, key).run(std::move(owner));
}

TorchFile TorchFile::open(const std::string& path, std::string_view key) {
  auto map = MappedFile::open(path);
  return parse(map->bytes(), path, map, key);
}

bool TorchFile::recognises(std::span<const std::byte> bytes) {
  if (may_be_safetensors(bytes)) return false;
  return starts_with(bytes, kZipMagic) || starts_with(bytes, "\x80") || is_tar(bytes);
}

const TorchRecord* TorchFile::find_tensor(std::string_view name) const {
  auto found = index_.find(name);
  return found == index_.end() ? nullptr : &records_[found->second];
}

std::vector<std::string> TorchFile::names() const {
  std::vector<std::string> names;
  for (const TorchRecord& record : records_) names.push_back(record.name);
  return names;
}

namespace {

bool is_contiguous(const TorchRecord& record) {
  int64_t expected = 1;
  for (int axis = record.shape.rank() - 1; axis >= 0; --axis) {
    if (record.shape[axis] != 1 && record.strides[axis] != expected) return false;
    expected *= record.shape[axis];
  }
  return true;
}

// Copies the elements in row-major order: the last axis in a loop, the others by an odometer.
void gather(const TorchRecord& record, const std::byte* from, std::byte* to) {
  const size_t size = record.type->bytes;
  std::array<int64_t, Shape::kMaxRank> place{};
  const int rank = record.shape.rank();
  const int64_t width = record.shape.last(), step = rank == 0 ? 0 : record.strides[rank - 1];
  for (int64_t row = 0; row < record.shape.rows(); ++row) {
    int64_t at = 0;
    for (int axis = 0; axis + 1 < rank; ++axis) at += place[axis] * record.strides[axis];
    for (int64_t i = 0; i < width; ++i, to += size)
      std::memcpy(to, from + static_cast<size_t>(at + i * step) * size, size);
    for (int axis = rank - 2; axis >= 0 && ++place[axis] == record.shape[axis]; --axis) place[axis] = 0;
  }
}

Tensor widen(const TorchRecord& record, const std::vector<std::byte>& narrow) {
  Tensor result = Tensor::make(DType::I32, record.shape);
  const bool is_signed = record.type->dtype_name == "torch.int16";
  for (size_t i = 0; i < result.i32().size(); ++i) {
    uint16_t value;
    std::memcpy(&value, narrow.data() + 2 * i, 2);
    result.i32()[i] = is_signed ? static_cast<int16_t>(value) : value;
  }
  return result;
}

}  // namespace

Tensor TorchFile::get(std::string_view name) const {
  const TorchRecord* record = find_tensor(name);
  if (!record) throw not_found("{}: no tensor {}", path_, printable(name));
  if (!record->type)
    throw unsupported("{}: tensor {} is {}, which is not supported; save it as float32, float16 or bfloat16", path_,
                      printable(name), printable(record->type_name));
  const DType dtype = *record->type->dtype;
  const size_t size = record->type->bytes;
  auto elements = static_cast<size_t>(record->shape.elements());
  if (elements == 0) return Tensor::make(dtype, record->shape);
  auto data = storages_.find(record->storage)->second.subspan(record->offset * size);
  const bool is_wide = info(dtype).block_bytes == size;
  if (is_wide && is_contiguous(*record)) return tensor_over(dtype, record->shape, data.first(elements * size), owner_);
  if (!is_wide) {
    std::vector<std::byte> narrow(elements * size);
    gather(*record, data.data(), narrow.data());
    return widen(*record, narrow);
  }
  Tensor copy = Tensor::make(dtype, record->shape);
  gather(*record, data.data(), copy.bytes());
  return copy;
}

}  // namespace galago
