// Writes the seeds that follow from the list of families, so that a new family is fuzzed without a line more: the
// config of every preset, and every tiny preset, made smaller still, as GGUF files. usage: make_seeds FOLDER
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <set>

#include "base/file.h"
#include "runtime/checkpoint.h"
#include "runtime/gguf_tokenizer.h"
#include "tests/models/llama_cpp_files.h"
#include "text/train_bpe.h"

namespace {

using namespace galago;

// The fuzzers take files of up to 64 KB.
void shrink(Json& config) {
  const std::map<std::string, int> kSmall{{"hidden_size", 8},
                                          {"intermediate_size", 8},
                                          {"num_hidden_layers", 2},
                                          {"num_attention_heads", 2},
                                          {"num_key_value_heads", 1},
                                          {"vocab_size", 264},
                                          {"resampler_head_dim", 4},
                                          {"num_experts", 2},
                                          {"dim_model_base", 8},
                                          {"num_experts_per_tok", 1},
                                          {"max_position_embeddings", 64}};
  for (auto& [key, value] : config.items()) {
    if (value.is_object()) shrink(value);
    if (auto found = kSmall.find(key); found != kSmall.end() && value.is_number()) value = found->second;
    if (key.ends_with("_factor") && value.is_array())
      value = Json::array({value[0], value[1]});  // a head of 4 has 2 pairs
  }
}

// The text model's own fields, wherever the family keeps them, and what llama.cpp calls its architecture.
std::pair<Json, std::string> text_part(const Json& config) {
  const std::map<std::string, std::string> kVersions{
      {"2.0", "minicpm"}, {"2.5", "llama"}, {"2.6", "qwen2"}, {"4.5", "qwen3"}};
  std::string type = config["model_type"];
  if (type == "internvl_chat") return {config["llm_config"], "internlm2"};
  if (type == "minicpmv") return {config, kVersions.at(config["version"])};
  if (type == "phi") return {config, "phi2"};
  return {config, type == "gpt_neox" ? "gptneox" : type};
}

void set_vision_keys(GgufWriter& writer, const Json& config) {
  const Json& v = config["vision_config"];
  const std::map<std::string, const char*> kKeys{{"image_size", "image_size"},
                                                 {"patch_size", "patch_size"},
                                                 {"embedding_length", "hidden_size"},
                                                 {"feed_forward_length", "intermediate_size"},
                                                 {"attention.head_count", "num_attention_heads"}};
  for (auto& [key, field] : kKeys) writer.set<uint32_t>("clip.vision." + key, v[field].get<uint32_t>());
  const std::map<std::string, int> kVersions{{"2.0", 1}, {"2.5", 2}, {"2.6", 3}, {"4.5", 6}};
  bool minicpmv = config["model_type"] == "minicpmv";
  writer.set_string("clip.projector_type", minicpmv ? "resampler" : "internvl");
  if (minicpmv) writer.set<int32_t>("clip.minicpmv_version", kVersions.at(config["version"]));
}

// Both halves of a pair in one file; matrices as F16, the rest as F32.
void write_llama_cpp(const std::string& path, const Model& model) {
  GgufWriter writer;
  auto [text, architecture] = text_part(model.config());
  testing::add_text_metadata(writer, text, {.architecture = architecture});
  if (model.config().contains("vision_config")) set_vision_keys(writer, model.config());
  write_tokenizer(writer, train_bpe(std::vector<std::string>{"what is this?"}, {.vocab_size = 264}));
  std::set<std::string> known;
  for (const WeightSpec& spec : model.weights(Dialect::LlamaCpp))
    if (known.insert(spec.stored.parts[0]).second)
      writer.add(spec.stored.parts[0],
                 Tensor::make(spec.quantizable ? DType::F16 : DType::F32, spec.part_shape(spec.stored, 0)));
  writer.save(path);
}

void write_own(const std::string& path, const Model& model) {
  Weights weights;
  for (const WeightSpec& spec : model.weights())
    if (!spec.optional)
      weights[spec.name] = std::make_shared<Weight>(
          Weight{spec.name, Tensor::make(spec.quantizable ? DType::F16 : DType::F32, spec.shape)});
  Tokenizer tokenizer = train_bpe(std::vector<std::string>{"what is this?"}, {.vocab_size = 264});
  write_gguf(path, model, weights, &tokenizer);
}

void write_family(const Family& family, const std::string& configs, const std::string& files) {
  for (std::string_view preset : family.presets()) {
    std::string name = fmt::format("{}-{}", family.name, preset);
    Json config = family.preset(preset);
    write_file(configs + name + ".json", config.dump());
    if (!preset.starts_with("tiny")) continue;
    shrink(config);
    try {
      auto model = make_model(config, name);
      write_own(files + name + "-own.gguf", *model);
      if (family.from_gguf) write_llama_cpp(files + name + ".gguf", *model);
    } catch (const Error& e) {  // a family that cannot be so small
      fmt::print(stderr, "make_seeds: {}\n", e.what());
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::string configs = std::string(argv[1]) + "/config/", files = std::string(argv[1]) + "/gguf_model/";
  std::filesystem::create_directories(configs);
  std::filesystem::create_directories(files);
  try {
    for (const galago::Family& family : galago::all_families()) write_family(family, configs, files);
  } catch (const std::exception& e) {
    fmt::print(stderr, "make_seeds: {}\n", e.what());
    return 1;
  }
}
