// Low-rank adapters (LoRA, Hu et al. 2021): W' = W + scale * B A, with A [rank, in], B [out, rank]. Read from PEFT
// folders (huggingface/peft), from checkpoints whose names PEFT left behind, and from llama.cpp's GGUF adapters.
// LoraSource gives the merged weights, so that a model loader needs no special case.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/safetensors.h"
#include "formats/weight_source.h"

namespace galago {

class GgufFile;

struct LoraPair {
  std::string target;       // name of the base weight: "model.layers.0.self_attn.q_proj.weight"
  Tensor a;                 // [rank, in ...]: a convolution has its kernel's axes too
  Tensor b;                 // [out, rank ...]: further axes are 1
  float scale;              // alpha / rank, or alpha / sqrt(rank)
  bool transposed = false;  // the base weight is [in, out]: fan_in_fan_out layers and embeddings
  int64_t rank() const { return a.shape()[0]; }
};

struct LoraAdapter {
  std::string path;                   // named in errors
  std::vector<LoraPair> pairs;        // by target
  std::vector<NamedTensor> replaced;  // whole weights that replace the base's: modules_to_save, biases, norms
  std::string architecture;           // of the base, where the file says so (GGUF); else empty
};

// How B A is scaled where tensors alone do not say. A pattern's key is the end of a module's name ("q_proj").
struct LoraConfig {
  double alpha = 0;
  int64_t rank = 0;  // 0: whatever the tensors have
  bool rank_stabilised = false;
  bool fan_in_fan_out = false;
  std::vector<std::pair<std::string, double>> alpha_pattern, rank_pattern;
};

// adapter_config.json. Throws Unsupported for what is not plain LoRA (another peft_type, DoRA, patterns that are more
// than the end of a name), InvalidInput for missing or impossible values.
LoraConfig read_lora_config(const std::string& path);

// True if any name is one that PEFT gives: "...lora_A.weight", "...lora_A.default.weight", "...lora_embedding_A".
bool has_lora(const WeightSource& source);

// The base model's name for a name from inside a PEFT model: without "base_model.model.", ".base_layer" and
// ".modules_to_save.ADAPTER". Empty for what the base does not have: LoRA tensors and ".original_module".
std::string base_name(const std::string& name);

// Adapter tensors among the names of `source`, all others as replacements. Every A needs its B. Throws Unsupported for
// DoRA and for more than one adapter.
LoraAdapter read_lora(const WeightSource& source, const LoraConfig& config);

LoraAdapter read_peft_adapter(const std::string& folder);  // adapter_config.json with adapter_model.safetensors or .bin
LoraAdapter read_gguf_lora(const GgufFile& file);          // general.type "adapter", adapter.type "lora"
// A folder with adapter_config.json, or a GGUF adapter.
LoraAdapter open_lora(const std::string& path);

Tensor transposed_f32(const Tensor& matrix);  // [rows, cols] to [cols, rows]

// The base with an adapter merged in when a tensor is asked for: W + strength * scale * B A, computed in f32. The
// result has the base's number format where that is plain (f32, f16, bf16), f32 where the base is quantized, so that
// nothing is quantized twice. Immutable; any number of threads may read it.
class LoraSource final : public WeightSource {
 public:
  // Throws InvalidInput if a target is missing in the base, or has another shape, or the architectures differ.
  LoraSource(std::shared_ptr<const WeightSource> base, LoraAdapter adapter, float strength = 1);

  const std::string& path() const override { return path_; }
  std::vector<std::string> names() const override;  // the base's, then replacements that the base lacks
  bool has(std::string_view name) const override;
  Tensor get(std::string_view name) const override;
  std::vector<std::string> warnings() const override { return base_->warnings(); }

 private:
  void check_targets() const;
  std::shared_ptr<const WeightSource> base_;
  LoraAdapter adapter_;
  float strength_;
  std::string path_;
  std::map<std::string, std::vector<size_t>, std::less<>> pairs_;  // target -> places in adapter_.pairs
  std::map<std::string, size_t, std::less<>> replaced_;
};

}  // namespace galago
