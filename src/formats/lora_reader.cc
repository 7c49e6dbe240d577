// Adapters from files: PEFT's names and adapter_config.json (huggingface/peft, src/peft/utils/save_and_load.py and
// tuners/lora), llama.cpp's GGUF adapters (convert_lora_to_gguf.py, src/llama-adapter.cpp).
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "base/json.h"
#include "formats/gguf.h"
#include "formats/lora.h"
#include "formats/printable.h"

namespace galago {
namespace {

constexpr int64_t kMaxRank = 65536;
constexpr std::string_view kBaseLayer = ".base_layer.";  // around it, newer PEFT keeps the base's weight

// What a name inside a PEFT model is about.
struct PeftName {
  enum class Kind { A, B, EmbeddingA, EmbeddingB, Dora, Original, Other };
  Kind kind;
  std::string module;   // "model.layers.0.self_attn.q_proj": in the base's naming
  std::string adapter;  // "default", or empty where the file leaves it out
};

constexpr std::pair<std::string_view, PeftName::Kind> kLoraParts[] = {
    {".lora_A", PeftName::Kind::A},
    {".lora_B", PeftName::Kind::B},
    {".lora_embedding_A", PeftName::Kind::EmbeddingA},
    {".lora_embedding_B", PeftName::Kind::EmbeddingB},
    {".lora_magnitude_vector", PeftName::Kind::Dora},
};

// Takes the first "base_model.model." out: at the start, or after a dot where PEFT wraps a part of a larger model.
void strip_peft_wrapper(std::string& name) {
  constexpr std::string_view kPart = "base_model.model.";
  size_t at = name.starts_with(kPart) ? 0 : name.find(fmt::format(".{}", kPart));
  if (at != std::string::npos) name.erase(at == 0 ? 0 : at + 1, kPart.size());
}

// "X.modules_to_save.default.weight" -> "X.weight"; older PEFT leaves the adapter's name out.
void strip_saved_module(std::string& name) {
  constexpr std::string_view kPart = ".modules_to_save";
  size_t at = name.find(std::string(kPart) + ".");
  if (at == std::string::npos) return;
  name.erase(at, kPart.size());
  size_t next = name.find('.', at + 1);
  if (next != std::string::npos) name.erase(at, next - at);  // the adapter's name
}

// What follows ".lora_A": "", ".weight", ".default", ".default.weight". True if it is one of these.
bool read_suffix(std::string_view suffix, std::string& adapter) {
  if (suffix.ends_with(".weight")) suffix.remove_suffix(std::string_view(".weight").size());
  if (suffix.empty()) return true;
  adapter = suffix.substr(1);
  return suffix.front() == '.' && !adapter.empty() && adapter.find('.') == std::string::npos;
}

PeftName parse_name(std::string name) {
  strip_peft_wrapper(name);
  for (const auto& [part, kind] : kLoraParts) {
    size_t at = name.rfind(part);
    std::string adapter;
    if (at != std::string::npos && read_suffix(std::string_view(name).substr(at + part.size()), adapter))
      return {kind, name.substr(0, at), adapter};
  }
  if (name.find(".original_module.") != std::string::npos) return {PeftName::Kind::Original, name, ""};
  if (size_t at = name.find(kBaseLayer); at != std::string::npos) name.erase(at, kBaseLayer.size() - 1);
  strip_saved_module(name);
  return {PeftName::Kind::Other, name, ""};
}

// PEFT looks for the key at the end of the module's name, after a dot or as the whole.
double pattern_value(const std::vector<std::pair<std::string, double>>& pattern, std::string_view module,
                     double fallback) {
  for (const auto& [key, value] : pattern)
    if (module == key || module.ends_with("." + key)) return value;
  return fallback;
}

// A [rank, in ...], B [out, rank, 1 ...], a rank from 1.
void check_lora_shapes(const std::string& path, const LoraPair& pair) {
  const Shape &a = pair.a.shape(), &b = pair.b.shape();
  bool fits = a.rank() >= 2 && b.rank() >= 2 && a[0] == b[1] && a[0] >= 1 && a[0] <= kMaxRank &&
              b.elements() == b[0] * b[1] && a.elements() > 0 && info(pair.a.dtype()).decode &&
              info(pair.b.dtype()).decode;
  if (!fits)
    throw invalid_input("{}: {}: A is {}, B is {}; expected rank x in and out x rank", path, printable(pair.target),
                        a.to_string(), b.to_string());
}

// A and B of one module, by module, until both have been seen.
struct Halves {
  Tensor a, b;
  bool has_a = false, has_b = false, embedding = false;
};

class LoraReader {
 public:
  LoraReader(const WeightSource& source, const LoraConfig& config) : source_(source), config_(config) {
    adapter_.path = source.path();
  }

  LoraAdapter run() {
    for (const std::string& name : source_.names()) sort_in(name, parse_name(name));
    for (const auto& [module, halves] : halves_) adapter_.pairs.push_back(pair(module, halves));
    return std::move(adapter_);
  }

 private:
  void sort_in(const std::string& name, const PeftName& parsed) {
    switch (parsed.kind) {
      case PeftName::Kind::Original:
        return;
      case PeftName::Kind::Other:
        return replace(parsed.module, name);
      case PeftName::Kind::Dora:
        throw unsupported("{}: {}: DoRA adapters are not supported; merge it in Python first", source_.path(),
                          printable(name));
      default:
        return take_half(name, parsed);
    }
  }

  void replace(const std::string& target, const std::string& name) {
    if (!replaced_.insert(target).second)
      throw invalid_input("{}: {} is there twice", source_.path(), printable(target));
    adapter_.replaced.push_back({target, source_.get(name)});
  }

  void take_half(const std::string& name, const PeftName& parsed) {
    using enum PeftName::Kind;
    if (!adapter_name_) adapter_name_ = parsed.adapter;
    if (*adapter_name_ != parsed.adapter)
      throw unsupported("{}: holds two adapters, \"{}\" and \"{}\"; keep one", source_.path(),
                        printable(*adapter_name_), printable(parsed.adapter));
    Halves& halves = halves_[parsed.module];
    bool is_a = parsed.kind == A || parsed.kind == EmbeddingA;
    if (is_a ? halves.has_a : halves.has_b)
      throw invalid_input("{}: {} is there twice", source_.path(), printable(name));
    halves.embedding = halves.embedding || parsed.kind == EmbeddingA || parsed.kind == EmbeddingB;
    (is_a ? halves.a : halves.b) = source_.get(name);
    (is_a ? halves.has_a : halves.has_b) = true;
  }

  LoraPair pair(const std::string& module, const Halves& halves) const {
    if (!halves.has_a || !halves.has_b)
      throw invalid_input("{}: {} has only one of lora_A and lora_B", source_.path(), printable(module));
    LoraPair pair{module + ".weight", halves.a, halves.b, 1, halves.embedding || config_.fan_in_fan_out};
    check_lora_shapes(source_.path(), pair);
    auto wanted = static_cast<int64_t>(pattern_value(config_.rank_pattern, module, static_cast<double>(config_.rank)));
    if (wanted != 0 && wanted != pair.rank())
      throw invalid_input("{}: {} has rank {}; adapter_config.json says {}", source_.path(), printable(module),
                          pair.rank(), wanted);
    double alpha = pattern_value(config_.alpha_pattern, module, config_.alpha);
    auto rank = static_cast<double>(pair.rank());
    pair.scale = static_cast<float>(alpha / (config_.rank_stabilised ? std::sqrt(rank) : rank));
    return pair;
  }

  const WeightSource& source_;
  const LoraConfig& config_;
  LoraAdapter adapter_;
  std::map<std::string, Halves> halves_;
  std::set<std::string> replaced_;
  std::optional<std::string> adapter_name_;
};

double real_field(const Json& json, const std::string& path, const char* name) {
  auto found = json.find(name);
  if (found == json.end() || !found->is_number() || !std::isfinite(found->get<double>()))
    throw invalid_input("{}: no number \"{}\"", path, name);
  return found->get<double>();
}

bool flag(const Json& json, const char* name) {
  auto found = json.find(name);
  return found != json.end() && found->is_boolean() && found->get<bool>();
}

std::vector<std::pair<std::string, double>> pattern(const Json& json, const std::string& path, const char* name) {
  std::vector<std::pair<std::string, double>> result;
  auto found = json.find(name);
  if (found == json.end() || !found->is_object()) return result;
  for (const auto& [key, value] : found->items()) {
    if (key.find_first_of("^$*+?()[]{}|\\") != std::string::npos)
      throw unsupported("{}: {}: the expression {} is not supported, only ends of names", path, name, printable(key));
    result.emplace_back(key, real_field(*found, path, key.c_str()));
  }
  return result;
}

}  // namespace

bool has_lora(const WeightSource& source) {
  return std::ranges::any_of(source.names(), [](const std::string& name) {
    auto kind = parse_name(name).kind;
    return kind == PeftName::Kind::A || kind == PeftName::Kind::EmbeddingA;
  });
}

std::string base_name(const std::string& name) {
  PeftName parsed = parse_name(name);
  return parsed.kind == PeftName::Kind::Other ? parsed.module : "";
}

LoraConfig read_lora_config(const std::string& path) {
  Json json = read_json(path);
  if (!json.is_object()) throw invalid_input("{}: not a JSON object", path);
  if (json.value("peft_type", Json("LORA")) != Json("LORA"))
    throw unsupported("{}: peft_type {}; only LORA is supported", path, printable(json["peft_type"].dump()));
  if (flag(json, "use_dora")) throw unsupported("{}: DoRA is not supported; merge it in Python first", path);
  LoraConfig config;
  config.alpha = real_field(json, path, "lora_alpha");
  double rank = real_field(json, path, "r");
  if (!(rank >= 1 && rank <= kMaxRank)) throw invalid_input("{}: r is {}; expected 1 to {}", path, rank, kMaxRank);
  config.rank = static_cast<int64_t>(rank);
  config.rank_stabilised = flag(json, "use_rslora");
  config.fan_in_fan_out = flag(json, "fan_in_fan_out");
  config.alpha_pattern = pattern(json, path, "alpha_pattern");
  config.rank_pattern = pattern(json, path, "rank_pattern");
  for (const auto& [key, value] : config.rank_pattern)
    if (!(value >= 1 && value <= kMaxRank))
      throw invalid_input("{}: rank_pattern {} is {}; expected 1 to {}", path, printable(key), value, kMaxRank);
  return config;
}

LoraAdapter read_lora(const WeightSource& source, const LoraConfig& config) { return LoraReader(source, config).run(); }

LoraAdapter read_peft_adapter(const std::string& folder) {
  auto in_folder = [&](const char* name) { return (std::filesystem::path(folder) / name).string(); };
  LoraConfig config = read_lora_config(in_folder("adapter_config.json"));
  for (const char* name : {"adapter_model.safetensors", "adapter_model.bin"})
    if (std::filesystem::exists(in_folder(name))) {
      LoraAdapter adapter = read_lora(*open_weights(in_folder(name)), config);
      if (adapter.pairs.empty()) throw invalid_input("{}: holds no LoRA tensors", adapter.path);
      return adapter;
    }
  throw not_found("{}: neither adapter_model.safetensors nor adapter_model.bin is in this folder", folder);
}

LoraAdapter read_gguf_lora(const GgufFile& file) {
  if (file.get_string("general.type", "") != "adapter" || file.get_string("adapter.type", "") != "lora")
    throw invalid_input("{}: not a LoRA adapter: general.type and adapter.type must be \"adapter\" and \"lora\"",
                        file.path());
  LoraAdapter adapter{file.path(), {}, {}, std::string(file.get_string("general.architecture"))};
  float alpha = file.get_f32("adapter.lora.alpha");
  for (const std::string& name : file.names()) {
    if (!name.ends_with(".lora_a") && !name.ends_with(".lora_b"))
      throw unsupported("{}: tensor {}: only .lora_a and .lora_b are supported", file.path(), name);
    std::string target = name.substr(0, name.size() - 7);
    if (!file.has(target + ".lora_a") || !file.has(target + ".lora_b"))
      throw invalid_input("{}: {} has only one of lora_a and lora_b", file.path(), target);
    if (name.ends_with(".lora_b")) continue;
    LoraPair pair{target, file.get(name), file.get(target + ".lora_b"), 1, false};
    if (target == "token_embd.weight") {  // [vocabulary, rank]: rows are looked up, so it lies the other way round
      pair.transposed = true;
      if (pair.a.shape().rank() == 2) pair.a = transposed_f32(pair.a);
    }
    check_lora_shapes(file.path(), pair);
    if (alpha != 0) pair.scale = alpha / static_cast<float>(pair.rank());
    adapter.pairs.push_back(std::move(pair));
  }
  return adapter;
}

LoraAdapter open_lora(const std::string& path) {
  return std::filesystem::is_directory(path) ? read_peft_adapter(path) : read_gguf_lora(GgufFile::open(path));
}

}  // namespace galago
