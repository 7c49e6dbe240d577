#include "formats/safetensors.h"

#include <algorithm>
#include <iterator>

#include "base/checked.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/byte_reader.h"
#include "formats/printable.h"
#include "formats/safetensors_types.h"
#include "formats/shard_index.h"

namespace galago {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr uint64_t kMaxSize = std::numeric_limits<int64_t>::max();

// Reads the header of one file; `at` names the file in errors.
struct HeaderReader {
  const std::string& at;

  uint64_t number(const Json& json, const std::string& name, std::string_view field) const {
    if (!json.is_number_unsigned() || json.get<uint64_t>() > kMaxSize)
      throw invalid_input("{}: tensor {}: {} holds {}; expected whole numbers from 0", at, printable(name), field,
                          printable(json.dump(-1, ' ', true, Json::error_handler_t::replace)));
    return json.get<uint64_t>();
  }

  const Json& list(const Json& tensor, const std::string& name, const char* field) const {
    auto found = tensor.is_object() ? tensor.find(field) : tensor.end();
    if (found == tensor.end() || !found->is_array())
      throw invalid_input("{}: tensor {} has no list \"{}\"", at, printable(name), field);
    return *found;
  }

  // Zeros count as ones in the product, so that later products of dimensions cannot overflow in any order.
  Shape shape(const Json& tensor, const std::string& name) const {
    const Json& dims = list(tensor, name, "shape");
    if (dims.size() > Shape::kMaxRank)
      throw unsupported("{}: tensor {} has {} dimensions; at most {} are supported", at, printable(name), dims.size(),
                        Shape::kMaxRank);
    std::vector<int64_t> values;
    uint64_t product = 1;
    for (const Json& dim : dims) {
      uint64_t value = number(dim, name, "shape");
      auto next = checked_mul(product, std::max<uint64_t>(value, 1));
      if (!next || *next > kMaxSize) throw invalid_input("{}: tensor {}: shape is too large", at, printable(name));
      product = *next;
      values.push_back(static_cast<int64_t>(value));
    }
    return Shape(values);
  }

  const SafetensorsType& type(const Json& tensor, const std::string& name) const {
    auto field = tensor.is_object() ? tensor.find("dtype") : tensor.end();
    if (field == tensor.end() || !field->is_string())
      throw invalid_input("{}: tensor {} has no string \"dtype\"", at, printable(name));
    auto text = field->get<std::string>();
    auto found = std::ranges::find(kSafetensorsTypes, text, &SafetensorsType::name);
    if (found == std::end(kSafetensorsTypes))
      throw unsupported("{}: tensor {} has the unknown dtype {}", at, printable(name), printable(text));
    return *found;
  }

  SafetensorsRecord record(const std::string& name, const Json& tensor) const {
    const SafetensorsType& stored = type(tensor, name);
    const Json& offsets = list(tensor, name, "data_offsets");
    if (offsets.size() != 2)
      throw invalid_input("{}: tensor {} has {} data_offsets; expected 2", at, printable(name), offsets.size());
    SafetensorsRecord record{name,
                             std::string(stored.name),
                             stored.dtype ? &info(*stored.dtype) : nullptr,
                             shape(tensor, name),
                             number(offsets[0], name, "data_offsets"),
                             number(offsets[1], name, "data_offsets"),
                             0};
    check_size(record, stored.bits);
    return record;
  }

  void check_size(const SafetensorsRecord& record, uint32_t bits) const {
    auto total_bits = checked_mul(static_cast<uint64_t>(record.shape.elements()), bits);
    if (!total_bits || *total_bits % 8 != 0)
      throw invalid_input("{}: tensor {} of shape {} is too large or no whole number of bytes", at,
                          printable(record.name), record.shape.to_string());
    if (record.end < record.begin || record.end - record.begin != *total_bits / 8)
      throw invalid_input("{}: tensor {} ({} {}) has data_offsets {} to {}; expected {} bytes", at,
                          printable(record.name), record.dtype_name, record.shape.to_string(), record.begin, record.end,
                          *total_bits / 8);
  }

  std::map<std::string, std::string> metadata(const Json& json) const {
    if (!json.is_object()) throw invalid_input("{}: __metadata__ is not an object", at);
    std::map<std::string, std::string> result;
    for (const auto& [key, value] : json.items()) {
      if (!value.is_string()) throw invalid_input("{}: __metadata__ key {} does not hold a string", at, printable(key));
      result[key] = value.get<std::string>();
    }
    return result;
  }

  // No gap, no overlap, and nothing left over.
  void check_coverage(const std::vector<SafetensorsRecord>& records, uint64_t data_bytes) const {
    std::vector<const SafetensorsRecord*> order;
    for (const SafetensorsRecord& record : records) order.push_back(&record);
    std::ranges::sort(order, [](auto* a, auto* b) { return std::tie(a->begin, a->end) < std::tie(b->begin, b->end); });
    uint64_t expected = 0;
    for (const SafetensorsRecord* record : order) {
      if (record->begin != expected)
        throw invalid_input("{}: tensor {} begins at byte {} of the data; expected {}, where the one before it ends",
                            at, printable(record->name), record->begin, expected);
      expected = record->end;
    }
    if (expected != data_bytes)
      throw invalid_input("{}: the tensors take {} bytes, the file holds {}; download it again", at, expected,
                          data_bytes);
  }
};

std::span<const std::byte> read_header_bytes(ByteReader& in, const std::string& subject) {
  auto n_bytes = in.read<uint64_t>("the header length");
  if (n_bytes > kMaxHeaderBytes)
    throw invalid_input("{}: header of {} bytes; the limit is {}; is this a safetensors file?", subject, n_bytes,
                        kMaxHeaderBytes);
  auto header = in.take(n_bytes, "the header");
  if (header.empty() || header[0] != std::byte{'{'})
    throw invalid_input("{}: the header does not start with {{; is this a safetensors file?", subject);
  return header;
}

}  // namespace

SafetensorsFile SafetensorsFile::parse(std::span<const std::byte> bytes, const std::string& subject,
                                       std::shared_ptr<const void> owner) {
  ByteReader in(bytes, subject);
  auto header = read_header_bytes(in, subject);
  auto data = bytes.subspan(in.position());
  Json json = parse_json({reinterpret_cast<const char*>(header.data()), header.size()}, subject, /*unique_keys=*/true);
  if (!json.is_object()) throw invalid_input("{}: the header is not a JSON object", subject);

  HeaderReader reader{subject};
  SafetensorsFile file;
  file.path_ = subject;
  for (const auto& [name, value] : json.items()) {
    if (name == "__metadata__")
      file.metadata_ = reader.metadata(value);
    else
      file.tensors_.push_back(reader.record(name, value));
  }
  reader.check_coverage(file.tensors_, data.size());
  file.parts_.push_back({subject, data, std::move(owner)});
  file.build_index();
  return file;
}

SafetensorsFile SafetensorsFile::open(const std::string& path) {
  if (path.ends_with(".json")) return open_index(path);
  auto map = MappedFile::open(path);
  return parse(map->bytes(), path, map);
}

SafetensorsFile SafetensorsFile::open_index(const std::string& path) {
  SafetensorsFile file;
  file.path_ = path;
  ShardIndex index = read_shard_index(path);
  for (const auto& [shard, listed] : index.shards) file.add_shard(open(shard), listed);
  uint64_t n_bytes = 0;  // no overflow: each is at most the size of a file
  for (const SafetensorsRecord& record : file.tensors_) n_bytes += record.end - record.begin;
  if (auto warning = wrong_total_warning(path, index, n_bytes); !warning.empty()) file.warnings_.push_back(warning);
  std::ranges::sort(file.tensors_, {}, &SafetensorsRecord::name);
  file.build_index();
  return file;
}

void SafetensorsFile::add_shard(const SafetensorsFile& shard, const std::vector<std::string>& listed) {
  for (const std::string& name : listed) {
    const SafetensorsRecord* record = shard.find_tensor(name);
    if (!record) throw invalid_input("{}: no tensor {}, which {} says is there", shard.path_, printable(name), path_);
    tensors_.push_back(*record);
    tensors_.back().part = parts_.size();
  }
  if (listed.size() < shard.tensors_.size())
    warnings_.push_back(fmt::format("{}: {} tensors are not listed in {} and were ignored", shard.path_,
                                    shard.tensors_.size() - listed.size(), path_));
  parts_.push_back(shard.parts_[0]);
}

void SafetensorsFile::build_index() {
  for (size_t i = 0; i < tensors_.size(); ++i) index_.emplace(tensors_[i].name, i);
}

const SafetensorsRecord* SafetensorsFile::find_tensor(std::string_view name) const {
  auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> names;
  for (const SafetensorsRecord& record : tensors_) names.push_back(record.name);
  return names;
}

Tensor SafetensorsFile::get(std::string_view name) const {
  const SafetensorsRecord* record = find_tensor(name);
  if (!record) throw not_found("{}: no tensor {}", path_, printable(name));
  const Part& part = parts_[record->part];
  if (!record->dtype)
    throw unsupported("{}: tensor {} has dtype {}, which is not supported; convert it to F32, F16 or BF16", part.path,
                      printable(name), record->dtype_name);
  return tensor_over(record->dtype->dtype, record->shape, part.data.subspan(record->begin, record->end - record->begin),
                     part.owner);
}

}  // namespace galago
