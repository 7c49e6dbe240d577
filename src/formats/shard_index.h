// The index of a sharded Hugging Face model: {"metadata": {"total_size": bytes}, "weight_map": {tensor: file}}, for
// model.safetensors.index.json and pytorch_model.bin.index.json alike.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace galago {

struct ShardIndex {
  std::map<std::string, std::vector<std::string>> shards;  // path of a file -> the tensors it should hold
  std::optional<uint64_t> total_bytes;                     // of all tensors, as the index says
};

// Throws InvalidInput if the file is no index, lists a tensor twice, or names a shard that is not a plain file name;
// shards lie in the folder of the index.
ShardIndex read_shard_index(const std::string& path);

// The sentence about an index whose total differs from what its tensors take; empty if it is right or says nothing.
// Only a warning: tied weights are counted in different ways by the programs that write it.
std::string wrong_total_warning(const std::string& path, const ShardIndex& index, uint64_t found_bytes);

}  // namespace galago
