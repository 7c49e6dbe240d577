#include "runtime/checkpoint.h"

#include <filesystem>

#include "base/error.h"
#include "text/load_tokenizer.h"

namespace galago {

Checkpoint load_gguf_checkpoint(const std::string& path);  // gguf_checkpoint.cc

namespace {

Checkpoint load_folder(const std::string& folder) {
  Checkpoint checkpoint{.path = folder};
  checkpoint.model = make_model(read_json(folder + "/config.json"), folder + "/config.json");
  checkpoint.weights = load_weights(*checkpoint.model, *open_weights(folder), WeightNames::Reference);
  if (std::filesystem::exists(folder + "/tokenizer.json"))
    checkpoint.tokenizer = std::make_shared<Tokenizer>(load_tokenizer(folder));
  return checkpoint;
}

}  // namespace

Checkpoint load_checkpoint(const std::string& path) {
  if (!std::filesystem::exists(path)) throw not_found("{}: no such file or folder", path);
  Checkpoint checkpoint = std::filesystem::is_directory(path) ? load_folder(path) : load_gguf_checkpoint(path);
  if (checkpoint.tokenizer && checkpoint.tokenizer->vocab_size() > checkpoint.model->n_vocab())
    throw invalid_input("{}: the tokenizer has {} tokens, the model only {} rows for them", path,
                        checkpoint.tokenizer->vocab_size(), checkpoint.model->n_vocab());
  return checkpoint;
}

}  // namespace galago
