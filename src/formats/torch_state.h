// What the pickle of a PyTorch file says: storages, the state dict inside, its tensors. torch_file.h joins it with the
// bytes of the storages.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/pickle.h"
#include "formats/torch_types.h"
#include "tensor/tensor.h"

namespace galago {

struct TorchStorage {
  const TorchType* type;  // null: untyped, then numel counts bytes
  uint64_t numel;
  uint64_t n_bytes;
};

// A strided view of a storage; offset and strides count numbers.
struct TorchRecord {
  std::string name;
  std::string type_name;            // "torch.float32", or the function that would have built the tensor
  const TorchType* type = nullptr;  // null if it can only be listed
  Shape shape;
  std::vector<int64_t> strides;
  uint64_t offset = 0;
  std::string_view storage;  // key
};

struct TorchState {
  std::string key;                              // where the state dict was found; empty: at the top
  std::vector<TorchRecord> records;             // in the order of the file
  std::map<std::string, std::string> metadata;  // scalars of the whole file: "epoch" -> "3"
};

using TorchStorages = std::map<std::string_view, TorchStorage>;

// All storages that the pickle refers to, by key. Throws InvalidInput if two references disagree.
TorchStorages read_torch_storages(const Pickle& pickle, const std::string& subject);

// The tensors of the state dict under `key` ("model", "a.b"); without a key, at the top if tensors are there, else in
// the first of state_dict, model, model_state_dict, module, net, ema, params that holds any, else wherever they are.
// Names of nested dictionaries and lists are joined with dots; a "module." (DDP) or "_orig_mod." (compile) in front of
// every name is taken off.
TorchState read_torch_state(const Pickle& pickle, const TorchStorages& storages, const std::string& subject,
                            std::string_view key = {});

}  // namespace galago
