// Named weights, wherever they are stored, so that a model loader does not care about the file format.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace galago {

// Immutable after opening; any number of threads may read it. Tensors keep the mapped file alive by themselves.
class WeightSource {
 public:
  virtual ~WeightSource() = default;
  virtual const std::string& path() const = 0;
  virtual std::vector<std::string> names() const = 0;  // in file order
  virtual bool has(std::string_view name) const = 0;
  // A view of the file, or a copy where the file does not align the data. Throws NotFound naming the file if there is
  // no such tensor, Unsupported if its number format cannot be decoded.
  virtual Tensor get(std::string_view name) const = 0;
  // What is odd about the files but harmless, one sentence each.
  virtual std::vector<std::string> warnings() const { return {}; }
};

// Opens a .gguf file (any part of a split one starts at part 1), a .safetensors file, a PyTorch file (.pth, .pt, .bin,
// .ckpt), an .index.json of shards, or a folder that holds one of: model.safetensors, pytorch_model.bin, the index of
// either, adapter_model.safetensors, adapter_model.bin (in this order). Decided by content for files, by name for an
// index.
std::unique_ptr<WeightSource> open_weights(const std::string& path);

// For implementations: a view of `bytes` kept alive by `owner`, copied if it is misaligned for its number format.
Tensor tensor_over(DType dtype, const Shape& shape, std::span<const std::byte> bytes,
                   const std::shared_ptr<const void>& owner);

}  // namespace galago
