// Writes a PyTorch file that torch.load(path, weights_only=True) reads: a zip container (stored entries, data aligned
// to 64 bytes) with a protocol 2 pickle that calls nothing but _rebuild_tensor_v2 and OrderedDict.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tensor/tensor.h"

namespace galago {

using TorchScalar = std::variant<bool, int64_t, double, std::string>;

// One owner, one thread.
class TorchWriter {
 public:
  // `key`: the state dict is put under this key of a dictionary, as in {"model": {...}}; empty: it is the whole file.
  explicit TorchWriter(std::string key = {}) : key_(std::move(key)) {}

  // Adds a tensor; `make` is called once in save() and must return this dtype and shape. Throws InvalidInput for
  // number formats that PyTorch lacks (quantized blocks) and for a name that is taken, longer than 1024 bytes or
  // not printable ASCII.
  void add(std::string_view name, DType dtype, const Shape& shape, std::function<Tensor()> make);
  void add(std::string_view name, Tensor tensor);
  // A scalar beside the state dict, for example "epoch"; needs a `key`.
  void set(std::string_view name, TorchScalar value);

  // Writes a temporary file, syncs it and renames it to `path`. Holds one tensor at a time.
  void save(const std::string& path) const;

 private:
  struct Item {
    std::string name;
    DType dtype;
    Shape shape;
    std::function<Tensor()> make;
  };
  std::string pickle() const;
  std::string key_;
  std::vector<Item> items_;
  std::set<std::string, std::less<>> names_;
  std::vector<std::pair<std::string, TorchScalar>> scalars_;
};

}  // namespace galago
