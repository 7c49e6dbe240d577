// Which files make a model, and how their weights are named.
#include "runtime/checkpoint.h"

#include <cstring>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "formats/lora.h"
#include "formats/merged_source.h"
#include "models/language.h"
#include "runtime/gguf_tokenizer.h"
#include "runtime/lora_weights.h"
#include "text/chat_template.h"
#include "text/load_tokenizer.h"

namespace galago {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kLayoutVersion = 1;  // of galago's own GGUF (gguf_checkpoint.cc)

// With the tokens that the model has rows for and the tokenizer's files do not know.
std::shared_ptr<const Tokenizer> tokenizer_in(const std::string& folder, const Model& model) {
  if (!has_tokenizer(folder)) return nullptr;
  auto plain = std::make_shared<Tokenizer>(load_tokenizer(folder));
  std::vector<std::string> missing = model.extra_tokens();
  std::erase_if(missing, [&](const std::string& token) { return plain->find(token).has_value(); });
  if (missing.empty()) return plain;
  size_t n_tokens = static_cast<size_t>(plain->vocab_size()) + missing.size();
  if (n_tokens != static_cast<size_t>(model.n_vocab()))
    throw invalid_input(
        "{}: the tokenizer has {} tokens, with {} more of the config {}, but the model has {} rows for them; put the "
        "tokenizer there that the model was trained with",
        folder, plain->vocab_size(), missing.size(), n_tokens, model.n_vocab());
  return std::make_shared<Tokenizer>(load_tokenizer(folder, {.appended = std::move(missing)}));
}

std::shared_ptr<const Tokenizer> tokenizer_in(const GgufFile& file) {
  return file.has_key("tokenizer.ggml.tokens") ? std::make_shared<Tokenizer>(read_tokenizer(file)) : nullptr;
}

// A config.json with the chat template of the tokenizer's files in `folder`.
std::shared_ptr<const Model> model_in(const std::string& folder, const std::string& config) {
  return make_model(with_chat_template(read_json(config), stored_chat_template(folder)), config);
}

ModelSource open_folder(const std::string& folder) {
  for (const Family& family : all_families())  // folders of several files
    if (auto parts = family.open ? family.open(folder) : std::nullopt) {
      std::shared_ptr<const Model> model = make_model(parts->config, folder);
      return {model, parts->weights, WeightNames::Reference, tokenizer_in(parts->tokenizer, *model)};
    }
  std::shared_ptr<const Model> model = model_in(folder, folder + "/config.json");
  return {model, open_weights(folder), WeightNames::Reference, tokenizer_in(folder, *model)};
}

ModelSource open_bare_weights(const ModelFiles& files) {
  std::string folder = fs::path(files.config).parent_path().string();
  if (folder.empty()) folder = ".";
  std::shared_ptr<const Model> model = model_in(folder, files.config);
  return {model, open_weights(files.model), WeightNames::Reference, tokenizer_in(folder, *model)};
}

ModelSource open_own_gguf(std::shared_ptr<const GgufFile> file) {
  uint32_t version = file->get_u32("galago.layout_version", 1);
  if (version != kLayoutVersion)
    throw unsupported("{}: galago layout version {}, this program reads {}", file->path(), version, kLayoutVersion);
  Json config = parse_json(file->get_string("galago.config"), file->path() + ": galago.config");
  return {make_model(config, file->path()), file, WeightNames::Canonical, tokenizer_in(*file)};
}

// The one file beside a text model that says it is a vision partner. None or several: empty.
std::string find_mmproj(const std::string& text) {
  std::string found;
  std::error_code none;
  fs::path folder = fs::path(text).parent_path();
  for (const auto& entry : fs::directory_iterator(folder.empty() ? fs::path(".") : folder, none)) {
    std::string name = entry.path().filename().string();
    if (!name.ends_with(".gguf") || name.find("mmproj") == name.npos) continue;
    if (!found.empty()) return "";
    found = entry.path().string();
  }
  return found;
}

// config.json of the family that these two files belong to.
Json config_of_pair(const GgufFile& text, const GgufFile* vision) {
  for (const Family& family : all_families()) {
    if (!family.from_gguf) continue;
    Json config = family.from_gguf(text, vision);
    if (!config.is_null()) return config;
  }
  std::string partner =
      vision ? fmt::format(" with {} (projector {})", vision->path(), vision->get_string("clip.projector_type", "none"))
             : "";
  throw unsupported("{}: architecture {}{}; galago does not know this model. `galago models` lists the families.",
                    text.path(), text.get_string("general.architecture", "none"), partner);
}

ModelSource open_llama_cpp(std::shared_ptr<const GgufFile> text, std::string mmproj) {
  if (text->get_string("general.architecture", "") == "clip")
    throw invalid_input("{}: a vision partner; give the text model as MODEL and this file with --mmproj", text->path());
  if (mmproj.empty()) mmproj = find_mmproj(text->path());
  std::shared_ptr<const GgufFile> vision;
  if (!mmproj.empty()) vision = std::make_shared<GgufFile>(GgufFile::open(mmproj));
  std::shared_ptr<const Model> model = make_model(config_of_pair(*text, vision.get()), text->path());
  if (!vision) return {model, text, WeightNames::LlamaCpp, tokenizer_in(*text)};
  auto pair = std::make_shared<MergedSource>();
  pair->add(text, MergeRule::Disjoint);
  pair->add(vision, MergeRule::Disjoint);
  return {model, pair, WeightNames::LlamaCpp, tokenizer_in(*text)};
}

bool is_gguf(const std::string& path) {
  auto file = MappedFile::open(path);
  constexpr std::string_view kMagic = "GGUF";
  return file->bytes().size() >= kMagic.size() && std::memcmp(file->bytes().data(), kMagic.data(), kMagic.size()) == 0;
}

ModelSource open_file(const ModelFiles& files) {
  if (!files.config.empty()) return open_bare_weights(files);
  if (!is_gguf(files.model) && !files.model.ends_with(".gguf"))
    throw invalid_input("{}: weights alone do not say what model they are; add --config config.json", files.model);
  auto file = std::make_shared<GgufFile>(GgufFile::open(files.model));
  return file->has_key("galago.config") ? open_own_gguf(file) : open_llama_cpp(file, files.mmproj);
}

// Buffers that reference code saves although they follow from the config: rotary frequencies, masks, tables, 0..n-1.
bool is_known_buffer(std::string_view name) {
  for (std::string_view end :
       {"rotary_embd.inv_freq", "rotary_emb.inv_freq", ".tril", "position_ids", ".attn.bias_mask", ".attention.bias",
        ".masked_bias", "resampler.pos_embed_k", "rope_freqs.weight", "rope_factors_long.weight",
        "rope_factors_short.weight", "attn_rot_embd"})
    if (name.ends_with(end)) return true;
  return false;
}

}  // namespace

ModelSource open_model(const ModelFiles& files) {
  if (!fs::exists(files.model)) throw not_found("{}: no such file or folder", files.model);
  ModelSource source = fs::is_directory(files.model) ? open_folder(files.model) : open_file(files);
  for (const std::string& lora : files.loras)
    source.weights = std::make_shared<LoraSource>(source.weights, open_lora(lora));
  if (source.tokenizer && source.tokenizer->vocab_size() > source.model->n_vocab())
    throw invalid_input("{}: the tokenizer has {} tokens, the model only {} rows for them", files.model,
                        source.tokenizer->vocab_size(), source.model->n_vocab());
  return source;
}

Checkpoint load_checkpoint(const ModelFiles& files) {
  ModelSource source = open_model(files);
  for (const std::string& warning : source.weights->warnings()) note(warning);
  Weights weights = load_weights(*source.model, *source.weights, source.names);
  for (const std::string& lora : files.loras_apart) add_adapter(weights, *source.model, open_lora(lora));
  return {files.model, source.model, std::move(weights), source.tokenizer};
}

Checkpoint load_checkpoint(const std::string& path) { return load_checkpoint(ModelFiles{.model = path}); }

void require_tokenizer(const Checkpoint& checkpoint) {
  if (!checkpoint.tokenizer)
    throw invalid_input(
        "{}: no tokenizer, and text needs one; put its files beside the weights: tokenizer.json, tokenizer.model, or "
        "vocab.json and merges.txt",
        checkpoint.path);
}

std::vector<std::string> unread_tensors(const ModelSource& source) {
  std::set<std::string> read;
  auto add = [&](const StoredAs& as) { read.insert(as.parts.begin(), as.parts.end()); };
  bool own = source.names == WeightNames::Canonical;
  Dialect dialect = source.names == WeightNames::LlamaCpp ? Dialect::LlamaCpp : Dialect::HuggingFace;
  for (const WeightSpec& spec : source.model->weights(dialect)) {
    if (own) read.insert({spec.name, packed_name(spec.name)});
    add(spec.stored);
    for (const StoredAs& other : spec.otherwise) add(other);
  }
  std::vector<std::string> unread;
  for (const std::string& name : source.weights->names())
    if (!read.contains(name) && !is_known_buffer(name)) unread.push_back(name);
  return unread;
}

}  // namespace galago
