// galago inspect MODEL: family, config, tensors, tokens per picture, and the memory that running it takes. A weight
// file that galago cannot run (a foreign GGUF, a bare safetensors file) is listed all the same.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cli/run_options.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "models/language.h"
#include "runtime/checkpoint.h"
#include "runtime/estimate.h"

namespace galago::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  ModelFiles files;
  std::string size = "640x480", cache_type = "f16";
  int context = 0;
  bool json = false;
};

Json dims(const Shape& shape) { return Json(std::vector<int64_t>(shape.dims().begin(), shape.dims().end())); }

Json weights_json(const Model& model, const Weights& weights) {
  Json list = Json::array();
  for (const WeightSpec& spec : model.weights()) {
    auto found = weights.find(spec.name);
    if (found == weights.end()) continue;
    const Tensor& data = found->second->data;
    list.push_back({{"name", spec.name},
                    {"shape", dims(data.shape())},
                    {"type", info(data.dtype()).name},
                    {"bytes", data.n_bytes()}});
  }
  return list;
}

SlicePlan example_plan(const PictureSpec& spec, const std::string& size) {
  auto [width, height] = parse_size(size);
  return find_slicing_policy(spec.policy).plan(width, height, spec.slice);
}

// For a turn with a picture of --size, where the model takes any.
ExpectedUse expected_use(const Model& model, const Options& o) {
  const DType type = find_cache_type(o.cache_type);
  ExpectedUse use{.n_context = o.context, .types = {type, type}};
  PictureSpec spec = model.pictures();
  if (spec.policy.empty()) return use;
  use.pictures = {example_plan(spec, o.size)};
  use.prompt.assign(static_cast<size_t>(use.pictures[0].n_tiles()) * static_cast<size_t>(spec.tokens_per_tile), true);
  return use;
}

Json memory_json(const Checkpoint& checkpoint, const Options& o) {
  MemoryEstimate m = estimate_memory(checkpoint, expected_use(*checkpoint.model, o), cpu_program_bytes(0));
  return {{"context", m.n_context},
          {"weights_bytes", m.weights},
          {"kv_cache_bytes", m.cache},
          {"activation_bytes", m.activations},
          {"total_bytes", m.total()}};
}

Json pictures_json(const Model& model, const std::string& size) {
  PictureSpec spec = model.pictures();
  if (spec.policy.empty()) return nullptr;
  int images = example_plan(spec, size).n_tiles();
  return {{"policy", spec.policy}, {"tile", spec.slice.tile}, {"tokens_per_tile", spec.tokens_per_tile},
          {"example_size", size},  {"tiles", images},         {"tokens_per_picture", images * spec.tokens_per_tile}};
}

Json inspect_model(const Options& o) {
  Checkpoint checkpoint = load_checkpoint(o.files);
  const Model& model = *checkpoint.model;
  Json tensors = weights_json(model, checkpoint.weights);
  Json result{{"model", o.files.model},
              {"family", model.family()},
              {"title", find_family(model.family())->title},
              {"parameters", count_parameters(model)},
              {"vocab", model.n_vocab()},
              {"max_context", model.cache().max_context},
              {"config", model.config()},
              {"pictures", pictures_json(model, o.size)},
              {"memory", memory_json(checkpoint, o)},
              {"tensors", tensors}};
  result["tokenizer"] = checkpoint.tokenizer ? Json(checkpoint.tokenizer->vocab_size()) : Json(nullptr);
  return result;
}

// One of galago's own, or a text model of llama.cpp whose architecture is known.
bool is_model(const GgufFile& file) {
  return file.has_key("galago.config") || (file.has("token_embd.weight") && !language_config_from_gguf(file).is_null());
}

Json inspect_gguf(const std::string& path) {
  GgufFile file = GgufFile::open(path);
  Json metadata = Json::object(), tensors = Json::array();
  for (const GgufEntry& entry : file.entries()) metadata[std::string(entry.key)] = entry.to_string();
  for (const GgufTensor& tensor : file.tensors())
    tensors.push_back(
        {{"name", tensor.name}, {"shape", dims(tensor.shape)}, {"type", tensor.type.name}, {"bytes", tensor.n_bytes}});
  return {{"model", path},
          {"family", nullptr},
          {"format", fmt::format("GGUF version {}", file.version())},
          {"metadata", metadata},
          {"tensors", tensors}};
}

Json inspect_safetensors(const std::string& path) {
  SafetensorsFile file = SafetensorsFile::open(path);
  Json tensors = Json::array();
  for (const SafetensorsRecord& tensor : file.tensors())
    tensors.push_back({{"name", tensor.name},
                       {"shape", dims(tensor.shape)},
                       {"type", tensor.dtype_name},
                       {"bytes", tensor.end - tensor.begin}});
  return {{"model", path},
          {"family", nullptr},
          {"format", "safetensors"},
          {"metadata", file.metadata()},
          {"tensors", tensors}};
}

double megabytes(const Json& bytes) { return bytes.get<double>() / 1e6; }

void print_tensors(const Json& tensors) {
  std::vector<std::vector<std::string>> rows{{"TENSOR", "SHAPE", "TYPE", "BYTES"}};
  for (const Json& t : tensors)
    rows.push_back({t["name"].get<std::string>(),
                    fmt::format("{}", fmt::join(t["shape"].get<std::vector<int64_t>>(), " x ")),
                    t["type"].get<std::string>(), std::to_string(t["bytes"].get<size_t>())});
  print_table(rows);
}

void print_listing(const Json& j) {
  fmt::print("{}: {}; not a model that galago runs\n\n", j["model"].get<std::string>(), j["format"].get<std::string>());
  for (auto& [key, value] : j["metadata"].items()) fmt::print("{} = {}\n", key, value.get<std::string>());
  fmt::print("\n");
  print_tensors(j["tensors"]);
}

void print_model(const Json& j) {
  const Json& p = j["pictures"];
  const Json& m = j["memory"];
  fmt::print("{}: {}\n{} parameters, {} token rows, {} places\n", j["family"].get<std::string>(),
             j["title"].get<std::string>(), j["parameters"].get<int64_t>(), j["vocab"].get<int>(),
             j["max_context"].get<int>());
  if (!p.is_null())
    fmt::print("picture of {}: {} tiles of {} pixels ({}), {} tokens\n", p["example_size"].get<std::string>(),
               p["tiles"].get<int>(), p["tile"].get<int>(), p["policy"].get<std::string>(),
               p["tokens_per_picture"].get<int>());
  fmt::print("memory for {} tokens: weights {:.1f} MB + cache {:.1f} MB + activations {:.1f} MB = {:.1f} MB\n",
             m["context"].get<int>(), megabytes(m["weights_bytes"]), megabytes(m["kv_cache_bytes"]),
             megabytes(m["activation_bytes"]), megabytes(m["total_bytes"]));
  fmt::print("config: {}\n\n", j["config"].dump());
  print_tensors(j["tensors"]);
}

bool has_magic(const std::string& path, std::string_view magic) {
  std::ifstream file(path, std::ios::binary);
  std::string begin(magic.size(), '\0');
  file.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  return begin == magic;
}

Json inspect(const Options& o) {
  const std::string& path = o.files.model;
  if (!fs::is_regular_file(path) || !o.files.config.empty()) return inspect_model(o);
  if (has_magic(path, "GGUF")) return is_model(GgufFile::open(path)) ? inspect_model(o) : inspect_gguf(path);
  if (path.ends_with(".safetensors") || path.ends_with(".index.json")) return inspect_safetensors(path);
  return inspect_model(o);
}

void run(const Options& o) {
  parse_size(o.size);
  Json result = inspect(o);
  if (o.json) return print_json(result);
  result["family"].is_null() ? print_listing(result) : print_model(result);
}

}  // namespace

void define_inspect(CLI::App& app) {
  auto o = std::make_shared<Options>();
  add_model_options(app, o->files);
  app.add_option("-c,--context", o->context,
                 "memory for this many tokens (default: what the model allows, at most 4096)")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--cache-type", o->cache_type, "memory for a cache of f32, f16 (default) or q8_0");
  app.add_option("--size", o->size, "count the tokens of a picture of WIDTHxHEIGHT (640x480), and memory for it");
  app.add_flag("--json", o->json, "everything as one JSON object");
  app.callback([o] { run(*o); });
}

}  // namespace galago::cli
