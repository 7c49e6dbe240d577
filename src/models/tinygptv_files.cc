#include "models/tinygptv_files.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "formats/lora.h"
#include "formats/merged_source.h"
#include "formats/torch_writer.h"
#include "models/config_reader.h"
#include "models/language.h"
#include "text/load_tokenizer.h"

namespace galago {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSettings = "galago.json";
constexpr std::string_view kLanguagePrefix = "llama_model.", kTowerPrefix = "visual_encoder.";
constexpr const char* kFusedEnd = "self_attn.query_key_value.weight";
constexpr double kLoraAlpha = 16;  // of all published stages, at rank 64

struct Files {
  std::string vision, qformer, language, checkpoint;
};
// As they are published (LAVIS; microsoft/phi-2 as a folder; Tyrannosaurus/TinyGPT-V).
const Files kPublished{"eva_vit_g.pth", "blip2_pretrained_flant5xxl.pth", "phi-2", "TinyGPT-V_for_Stage{}.pth"};

std::string published_checkpoint(int stage) { return fmt::format(fmt::runtime(kPublished.checkpoint), stage); }

bool is_tinygptv(const Json& config) { return config.is_object() && config.value("model_type", Json()) == "tinygpt-v"; }

// Null: no folder of ours. A config.json without "files" has its weights beside it, as in any other family.
Json read_settings(const std::string& folder) {
  for (const std::string& name : {std::string(kSettings), std::string("config.json")}) {
    std::string path = folder + "/" + name;
    if (!fs::exists(path)) continue;
    Json config = read_json(path);
    if (is_tinygptv(config) && (name == kSettings || config.contains("files"))) return config;
    if (name != kSettings) return nullptr;
  }
  if (fs::exists(folder + "/" + kPublished.vision)) return {{"model_type", "tinygpt-v"}};
  return nullptr;
}

// The stage of the settings, else of the latest checkpoint that is there, else the last one.
int find_stage(const Json& settings, const std::string& folder) {
  if (settings.contains("stage")) return ConfigReader(settings, folder).integer("stage", 1, 4);
  for (int stage = 4; stage >= 1; --stage)
    if (fs::exists(folder + "/" + published_checkpoint(stage))) return stage;
  return 4;
}

Files find_files(const Json& settings, const std::string& folder, int stage) {
  static const Json kNone = Json::object();
  ConfigReader given(settings.contains("files") ? settings["files"] : kNone, folder + ": files");
  auto find = [&](const char* key, const char* what, const std::string& published) {
    std::string path = (fs::path(folder) / given.text(key, published)).string();  // an absolute path stays as it is
    if (!fs::exists(path))
      throw not_found("{}: no such file; it holds {}. \"files\": {{\"{}\": PATH}} in {}/{} may name another", path,
                      what, key, folder, kSettings);
    return path;
  };
  return {find("vision", "the EVA tower", kPublished.vision), find("qformer", "the Q-Former", kPublished.qformer),
          find("language", "Phi-2", kPublished.language),
          find("checkpoint", "the projections, norms and adapters", published_checkpoint(stage))};
}

// The config of the model, with Phi-2's own config.json under what the settings say.
Json model_config(Json settings, const Files& files, int stage) {
  settings["stage"] = stage;
  settings.erase("files");
  fs::path beside = fs::path(files.language) / "config.json";
  if (!fs::is_directory(files.language) || !fs::exists(beside)) return settings;
  Json text = read_json(beside.string());
  if (!text.is_object() || text.value("model_type", Json()) != "phi")
    return settings;  // Microsoft's first form: "phi-msft"
  if (settings.contains("text_config") && settings["text_config"].is_object()) text.update(settings["text_config"]);
  settings["text_config"] = std::move(text);
  return settings;
}

Tensor rows_of(const Tensor& matrix, const std::vector<int32_t>& rows) {
  Tensor from = to_f32(matrix), to = Tensor::make(DType::F32, {std::ssize(rows), matrix.shape().last()});
  auto n = static_cast<size_t>(matrix.shape().last());
  for (size_t i = 0; i < rows.size(); ++i)
    std::copy_n(from.f32().begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(rows[i]) * n), n,
                to.f32().begin() + static_cast<std::ptrdiff_t>(i * n));
  return to;
}

std::string group_of(const std::string& name) {
  if (name.starts_with(kTowerPrefix)) return "the EVA tower";
  if (name.starts_with("llama_proj")) return "the projections";
  return name.starts_with(kLanguagePrefix) ? "Phi-2" : "the Q-Former";
}

// The files of one model become one source, step by step.
class Assembly {
 public:
  Assembly(const std::string& folder, const Model& model)
      : model_(model), specs_(model.weights()), base_(std::make_shared<MergedSource>(folder)) {
    for (const WeightSpec& spec : specs_) {
      wanted_.insert(spec.stored.parts.begin(), spec.stored.parts.end());
      for (const StoredAs& other : spec.otherwise) wanted_.insert(other.parts.begin(), other.parts.end());
    }
  }

  // What a file holds besides is left out: the 40th block of EVA, BERT's text layers.
  void add(const std::string& path, const RenameTensor& rename) {
    std::shared_ptr<const WeightSource> file = open_weights(path);
    std::vector<std::string> unread;
    base_->add(file, MergeRule::FillIn, [&](const std::string& own) {
      std::string name = rename(own);
      if (wanted_.contains(name)) return name;
      unread.push_back(own);
      return std::string();
    });
    warn_unread(path, unread);
  }

  // Projections, norms, adapters, and whatever of the Q-Former is there: over what the other files say.
  void put_on_top(const std::string& path, double lora_alpha) {
    adapter_ = read_lora(*open_weights(path), {.alpha = lora_alpha});
    std::vector<std::string> unread;
    std::erase_if(adapter_.replaced, [&](const NamedTensor& item) {
      bool is_unread = !wanted_.contains(item.name);
      if (is_unread && !item.name.ends_with(".position_ids")) unread.push_back(item.name);
      return is_unread;
    });
    warn_unread(path, unread);
    std::vector<LoraPair> pairs = std::move(adapter_.pairs);
    adapter_.pairs.clear();
    for (LoraPair& pair : pairs) add_as_in_base(std::move(pair));
  }

  std::shared_ptr<const WeightSource> finish() {
    add_start_values();
    check_all_there();
    return std::make_shared<LoraSource>(base_, std::move(adapter_));
  }

 private:
  void warn_unread(const std::string& path, const std::vector<std::string>& names) {
    if (!names.empty())
      base_->add_warning(fmt::format("{}: {} tensors are no part of this model and were left out, the first is {}",
                                     path, names.size(), names[0]));
  }

  bool in_checkpoint(const std::string& name) const {
    return std::ranges::any_of(adapter_.replaced, [&](const NamedTensor& item) { return item.name == name; });
  }

  // The adapter knows q, k and v as one matrix of heads. Where Phi-2's files keep them apart or in another order, the
  // rows of B go along.
  void add_as_in_base(LoraPair pair) {
    std::string microsoft = microsoft_phi_name(pair.target);
    bool fused = pair.target.ends_with(kFusedEnd);
    if (base_->has(pair.target)) return adapter_.pairs.push_back(std::move(pair));
    if (!fused) {
      if (base_->has(microsoft)) pair.target = microsoft;
      return adapter_.pairs.push_back(std::move(pair));
    }
    CacheSpec heads = model_.cache();
    if (pair.b.shape()[0] != int64_t{3} * heads.n_kv_heads * heads.d_head)
      throw invalid_input("{}: {} is adapted by {} rows; expected 3 x {} heads x {}", adapter_.path, pair.target,
                          pair.b.shape()[0], heads.n_kv_heads, heads.d_head);
    bool apart = !base_->has(microsoft);
    std::vector<int32_t> all;
    for (char which : {'q', 'k', 'v'}) {
      std::vector<int32_t> rows = grouped_rows(which, heads.n_kv_heads, heads.n_kv_heads, heads.d_head);
      all.insert(all.end(), rows.begin(), rows.end());
      if (!apart) continue;
      std::string block = pair.target.substr(0, pair.target.size() - std::strlen(kFusedEnd));
      adapter_.pairs.push_back(
          {fmt::format("{}self_attn.{}_proj.weight", block, which), pair.a, rows_of(pair.b, rows), pair.scale});
    }
    if (!apart) adapter_.pairs.push_back({microsoft, pair.a, rows_of(pair.b, all), pair.scale});
  }

  // Norms that Phi-2 does not have: training starts from gain 1 and bias 0, and published files lack the biases.
  void add_start_values() {
    int n_gains = 0;
    for (const WeightSpec& spec : specs_) {
      const std::string& name = spec.stored.parts[0];
      bool added = spec.name.find("_norm.") != std::string::npos && spec.name.starts_with("text.");
      if (!added || base_->has(name) || in_checkpoint(name)) continue;
      Tensor start = Tensor::make(DType::F32, spec.shape);
      std::ranges::fill(start.f32(), spec.init_value);
      adapter_.replaced.push_back({name, start});
      if (name.ends_with(".weight")) ++n_gains;
    }
    if (n_gains > 0)
      base_->add_warning(
          fmt::format("{}: lacks {} of the norms that TinyGPT-V adds to Phi-2; they are left at their "
                      "start values",
                      adapter_.path, n_gains));
  }

  void check_all_there() const {
    std::map<std::string, std::vector<std::string>> missing;  // by group
    auto is_there = [&](const StoredAs& as) { return base_->has(as.parts[0]) || in_checkpoint(as.parts[0]); };
    for (const WeightSpec& spec : specs_)
      if (!is_there(spec.stored) && std::ranges::none_of(spec.otherwise, is_there))
        missing[group_of(spec.stored.parts[0])].push_back(spec.stored.parts[0]);
    if (missing.empty()) return;
    std::string list;
    for (auto& [group, names] : missing)
      list +=
          fmt::format("{}{} tensors of {}, the first is {}", list.empty() ? "" : "; ", names.size(), group, names[0]);
    throw not_found("{}: missing {}", base_->path(), list);
  }

  const Model& model_;
  std::vector<WeightSpec> specs_;
  std::set<std::string, std::less<>> wanted_;
  std::shared_ptr<MergedSource> base_;
  LoraAdapter adapter_;
};

// Of the language model: the gains of all norms, and, other than in the published files, whose biases are zero and left
// out, the biases of the added ones.
bool is_in_checkpoint(std::string_view name) {
  return name.find("q_layernorm.") != name.npos || name.find("k_layernorm.") != name.npos ||
         name.ends_with("layernorm.weight");
}

}  // namespace

std::string microsoft_phi_name(const std::string& name) {
  constexpr std::pair<std::string_view, std::string_view> kWhole[] = {
      {"model.embed_tokens.", "transformer.embd.wte."},
      {"model.final_layernorm.", "lm_head.ln."},
      {"lm_head.", "lm_head.linear."},
  };
  constexpr std::pair<std::string_view, std::string_view> kOfBlock[] = {
      {"input_layernorm.", "ln."},
      {"self_attn.query_key_value.", "mixer.Wqkv."},
      {"self_attn.dense.", "mixer.out_proj."},
      {"mlp.", "mlp."},
  };
  constexpr std::string_view kBlock = "model.layers.";
  std::string prefix(name.starts_with(kLanguagePrefix) ? kLanguagePrefix : "");
  std::string_view own = std::string_view(name).substr(prefix.size());
  for (const auto& [from, to] : kWhole)
    if (own.starts_with(from)) return fmt::format("{}{}{}", prefix, to, own.substr(from.size()));
  if (!own.starts_with(kBlock)) return "";
  own.remove_prefix(kBlock.size());
  size_t dot = own.find('.');
  if (dot == own.npos) return "";
  std::string_view index = own.substr(0, dot), rest = own.substr(dot + 1);
  for (const auto& [from, to] : kOfBlock)
    if (rest.starts_with(from))
      return fmt::format("{}transformer.h.{}.{}{}", prefix, index, to, rest.substr(from.size()));
  return "";
}

std::optional<FolderParts> open_tinygptv(const std::string& folder) {
  Json settings = read_settings(folder);
  if (settings.is_null()) return {};
  int stage = find_stage(settings, folder);
  Files files = find_files(settings, folder, stage);
  Json config = model_config(settings, files, stage);
  std::unique_ptr<Model> model = make_model(config, folder);
  Assembly assembly(folder, *model);
  assembly.add(files.vision, with_prefix(std::string(kTowerPrefix)));
  assembly.add(files.qformer, keep_names());
  assembly.add(files.language, with_prefix(std::string(kLanguagePrefix)));
  assembly.put_on_top(files.checkpoint, ConfigReader(config, folder).number("lora_alpha", 0, 1e6, kLoraAlpha));
  std::string tokenizer = has_tokenizer(folder) || !fs::is_directory(files.language) ? folder : files.language;
  return FolderParts{model->config(), assembly.finish(), tokenizer};
}

void save_tinygptv(const std::string& folder, const Model& model, std::vector<TensorToWrite> tensors) {
  Json config = model.config();
  int stage = ConfigReader(config, folder).integer("stage", 1, 4, 4);
  TorchWriter vision, language, qformer("model"), checkpoint("model");
  auto add = [](TorchWriter& file, std::string_view name, TensorToWrite& t) {
    file.add(name, t.dtype, t.shape, std::move(t.make));
  };
  for (TensorToWrite& t : tensors) {
    std::string_view name = t.name;
    if (name.starts_with(kTowerPrefix))
      add(vision, name.substr(kTowerPrefix.size()), t);
    else if (name.starts_with("llama_proj") || is_in_checkpoint(name))
      add(checkpoint, name, t);
    else if (name.starts_with(kLanguagePrefix))
      add(language, name.substr(kLanguagePrefix.size()), t);
    else
      add(qformer, name, t);
  }
  fs::path base(folder), phi = base / kPublished.language;
  fs::create_directories(phi);
  vision.save(base / kPublished.vision);
  qformer.save(base / kPublished.qformer);
  language.save(phi / "pytorch_model.bin");
  checkpoint.save(base / published_checkpoint(stage));
  config["stage"] = stage;
  write_file((base / kSettings).string(), config.dump(2) + "\n");
}

}  // namespace galago
