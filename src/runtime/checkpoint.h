// A checkpoint: a model, its weights and its tokenizer, read from the files people have or written for them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "formats/safetensors.h"
#include "formats/weight_source.h"
#include "models/model.h"

namespace galago {

struct Checkpoint {
  std::string path;
  std::shared_ptr<const Model> model;
  Weights weights;
  std::shared_ptr<const Tokenizer> tokenizer;  // null where the files have none
};

// MODEL as on the command line.
struct ModelFiles {
  std::string model;  // galago's GGUF file, a GGUF text model of llama.cpp, a Hugging Face folder (config.json, weights
                      // as safetensors or .bin, tokenizer files), or a weight file with `config`
  std::string mmproj;  // llama.cpp: the vision partner; empty: found beside the text model if there is exactly one
  std::string config;  // config.json of a bare weight file; a tokenizer beside it is used
  std::vector<std::string> loras;        // adapters to merge, in this order
  std::vector<std::string> loras_apart;  // adapters to keep beside the weights; only load_checkpoint() knows them
};

// Where the weights of these files come from and how they are named.
enum class WeightNames { Reference, LlamaCpp, Canonical };  // Canonical: galago's own GGUF
struct ModelSource {
  std::shared_ptr<const Model> model;
  std::shared_ptr<const WeightSource> weights;
  WeightNames names;
  std::shared_ptr<const Tokenizer> tokenizer;  // null where the files have none
};

// Throws NotFound / InvalidInput / Unsupported naming the file.
ModelSource open_model(const ModelFiles& files);

// The same with all weights read: views of the mapped files where their layout allows it. Throws naming the tensor with
// both shapes where one does not fit.
Checkpoint load_checkpoint(const ModelFiles& files);
Checkpoint load_checkpoint(const std::string& path);

// How the tensor is called that holds a weight packed (Weight::packed) in galago's own GGUF.
std::string packed_name(std::string_view weight);

void require_tokenizer(const Checkpoint& checkpoint);  // throws InvalidInput where there is none

// Tensors that the model would not read, without buffers that follow from the config.
std::vector<std::string> unread_tensors(const ModelSource& source);

// Reads every weight of the model. Throws NotFound / InvalidInput naming file and tensor.
Weights load_weights(const Model& model, const WeightSource& source, WeightNames names);

// All weights as f32 in the reference's own names and layout, to be written.
std::vector<NamedTensor> reference_tensors(const Model& model, const Weights& weights);

// Weights from N(0, init_std) and constants as the specs say; the same for the same seed. For training and random
// models.
Weights random_weights(const Model& model, uint64_t seed);

// Writes a folder in the reference's own names and layout: config.json, model.safetensors (in shards with an index
// beyond `shard_bytes`; one shard is in memory at a time) and tokenizer files, or what Family::save says.
void write_reference_folder(const std::string& folder, const Model& model, std::vector<TensorToWrite> tensors,
                            const Tokenizer* tokenizer, size_t shard_bytes = size_t{2} << 30);
void save_checkpoint(const std::string& folder, const Model& model, const Weights& weights, const Tokenizer* tokenizer);

// A weight that is made when it is written, so that no more than one has to be in memory.
struct PendingWeight {
  DType type;
  Shape shape;
  std::function<Tensor()> make;  // called once; must return this type and shape
  // If set, what it makes of the weight is written too, as Weight::packed.
  std::function<Tensor(const Tensor&)> pack = {};
  int64_t packed_bytes = 0;
};
using PendingWeights = std::map<std::string, PendingWeight, std::less<>>;

// Writes one GGUF file with weights, config and tokenizer (docs/formats.md), the weights in the order of
// Model::weights(). file_type: general.file_type.
void write_gguf(const std::string& path, const Model& model, const PendingWeights& weights, uint32_t file_type,
                const Tokenizer* tokenizer);
DType most_bytes(const Weights& weights);  // the format that most bytes have: gguf_file_type of it is general.file_type
// Weights as they are.
void write_gguf(const std::string& path, const Model& model, const Weights& weights, const Tokenizer* tokenizer);

}  // namespace galago
