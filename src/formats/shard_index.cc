#include "formats/shard_index.h"

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/printable.h"

namespace galago {
namespace {

constexpr uint64_t kMaxIndexBytes = 100'000'000;

void check_shard_name(const std::string& index, const std::string& name) {
  bool plain = !name.empty() && name != "." && name != ".." && name.find_first_of("/\\:") == std::string::npos &&
               name.find('\0') == std::string::npos && !name.ends_with(".json");
  if (!plain)
    throw invalid_input("{}: shard \"{}\" is not a plain file name in the same folder", index, printable(name));
}

std::optional<uint64_t> total_bytes(const Json& json) {
  auto metadata = json.find("metadata");
  if (metadata == json.end() || !metadata->is_object()) return std::nullopt;
  auto total = metadata->find("total_size");
  if (total == metadata->end() || !total->is_number()) return std::nullopt;
  if (total->is_number_unsigned()) return total->get<uint64_t>();
  double value = total->get<double>();  // some programs write 1234.0
  return value >= 0 && value < 1e18 ? std::optional(static_cast<uint64_t>(value)) : std::nullopt;
}

}  // namespace

ShardIndex read_shard_index(const std::string& path) {
  Json json = parse_json(read_file(path, kMaxIndexBytes), path, /*unique_keys=*/true);
  auto found = json.is_object() ? json.find("weight_map") : json.end();
  if (found == json.end() || !found->is_object())
    throw invalid_input("{}: no object \"weight_map\"; expected the index of a sharded model", path);
  ShardIndex index;
  for (const auto& [tensor, file] : found->items()) {
    if (!file.is_string()) throw invalid_input("{}: weight_map of {} is not a file name", path, printable(tensor));
    auto name = file.get<std::string>();
    check_shard_name(path, name);
    index.shards[(std::filesystem::path(path).parent_path() / name).string()].push_back(tensor);
  }
  index.total_bytes = total_bytes(json);
  return index;
}

std::string wrong_total_warning(const std::string& path, const ShardIndex& index, uint64_t found_bytes) {
  if (!index.total_bytes || *index.total_bytes == found_bytes) return {};
  return fmt::format("{}: total_size is {} bytes, but the listed tensors take {}", path, *index.total_bytes,
                     found_bytes);
}

}  // namespace galago
