// PyTorch files (.pth, .pt, .bin, .ckpt; pytorch/pytorch torch/serialization.py): the zip container of torch >= 1.6 and
// the stream of pickles before it. The pickle is read by the restricted machine of pickle.h: nothing is executed.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "formats/torch_state.h"
#include "formats/weight_source.h"

namespace galago {

// The state dict of a file as named tensors; torch_state.h says which dictionary is taken and how names are made.
class TorchFile final : public WeightSource {
 public:
  // `key`: the dictionary that holds the tensors, "model" or "a.b"; empty: found by itself. Throws InvalidInput for
  // what is malformed, damaged or hostile; Unsupported for a whole pickled model and for files before torch 0.1.10.
  static TorchFile open(const std::string& path, std::string_view key = {});
  static TorchFile parse(std::span<const std::byte> bytes, const std::string& subject,
                         std::shared_ptr<const void> owner = nullptr, std::string_view key = {});
  static bool recognises(std::span<const std::byte> bytes);  // by its first bytes

  const std::string& state_key() const { return state_key_; }  // "model"; empty: the state dict is the whole file
  std::span<const TorchRecord> tensors() const { return records_; }
  const TorchRecord* find_tensor(std::string_view name) const;  // null if missing
  // Numbers, texts and booleans of the whole file, under dotted names: "epoch" -> "3", "config.run.seed" -> "42".
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  const std::string& path() const override { return path_; }
  std::vector<std::string> names() const override;
  bool has(std::string_view name) const override { return find_tensor(name) != nullptr; }
  // A view of the file where the tensor is contiguous and aligned, else a contiguous copy. Tied tensors are views of
  // the same bytes. 16-bit integers become i32.
  Tensor get(std::string_view name) const override;

 private:
  friend class TorchParser;
  TorchFile() = default;

  std::string path_, state_key_;
  std::vector<TorchRecord> records_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, std::span<const std::byte>, std::less<>> storages_;
  std::map<std::string, size_t, std::less<>> index_;
  std::shared_ptr<const void> owner_;
};

}  // namespace galago
