// galago's own single file: GGUF with the canonical weights, config.json as the string galago.config, and the tokenizer
// under the usual tokenizer.ggml.* keys (docs/formats.md).
#include "formats/gguf_writer.h"
#include "runtime/checkpoint.h"
#include "runtime/gguf_tokenizer.h"

namespace galago {
namespace {

constexpr uint32_t kLayoutVersion = 1;

// The weight, and behind it the same packed: it is made once and let go of after the second.
void add_with_packed(GgufWriter& writer, const std::string& name, const PendingWeight& weight) {
  auto made = std::make_shared<Tensor>();
  writer.add(name, weight.type, weight.shape, [made, make = weight.make] { return *made = make(); });
  writer.add(packed_name(name), DType::I8, {weight.packed_bytes}, [made, pack = weight.pack, n = weight.packed_bytes] {
    Tensor packed = pack(*made);
    *made = {};
    return Tensor::view(DType::I8, {n}, packed.bytes(), packed.owner());
  });
}

}  // namespace

DType most_bytes(const Weights& weights) {
  std::map<DType, size_t> bytes;
  for (const auto& [name, weight] : weights) bytes[weight->data.dtype()] += weight->data.n_bytes();
  DType most = DType::F32;
  for (auto& [dtype, n] : bytes)
    if (n > bytes[most]) most = dtype;
  return most;
}

std::string packed_name(std::string_view weight) { return "packed." + std::string(weight); }

void write_gguf(const std::string& path, const Model& model, const PendingWeights& weights, uint32_t file_type,
                const Tokenizer* tokenizer) {
  GgufWriter writer;
  writer.set_string("general.architecture", model.family());
  writer.set_string("general.type", "model");
  writer.set<uint32_t>("general.file_type", file_type);
  writer.set<uint32_t>("galago.layout_version", kLayoutVersion);
  writer.set_string("galago.config", model.config().dump());
  if (tokenizer) write_tokenizer(writer, *tokenizer);
  for (const WeightSpec& spec : model.weights())
    if (auto found = weights.find(spec.name); found != weights.end()) {
      const PendingWeight& weight = found->second;
      weight.pack ? add_with_packed(writer, spec.name, weight)
                  : writer.add(spec.name, weight.type, weight.shape, weight.make);
    }
  writer.save(path);
}

void write_gguf(const std::string& path, const Model& model, const Weights& weights, const Tokenizer* tokenizer) {
  PendingWeights pending;
  for (const auto& [name, weight] : weights)
    pending[name] = {weight->data.dtype(), weight->data.shape(), [weight = weight] { return weight->data; }};
  write_gguf(path, model, pending, gguf_file_type(most_bytes(weights)), tokenizer);
}

}  // namespace galago
