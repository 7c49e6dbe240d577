#include "train/recipe.h"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "models/model.h"

namespace galago {
namespace {

Json scalar_to_json(const std::string& text) {
  if (text == "true" || text == "false") return text == "true";
  if (text == "null" || text == "~") return nullptr;
  int64_t integer;
  const char* end = text.data() + text.size();
  if (auto r = std::from_chars(text.data(), end, integer); r.ec == std::errc() && r.ptr == end) return integer;
  double real;
  if (auto r = std::from_chars(text.data(), end, real); r.ec == std::errc() && r.ptr == end) return real;
  return text;
}

Json to_json(const YAML::Node& node) {
  if (node.IsMap()) {
    Json object = Json::object();
    for (const auto& item : node) object[item.first.as<std::string>()] = to_json(item.second);
    return object;
  }
  if (node.IsSequence()) {
    Json array = Json::array();
    for (const auto& item : node) array.push_back(to_json(item));
    return array;
  }
  return node.IsNull() ? Json() : scalar_to_json(node.Scalar());
}

// One step of a dotted path: a field of a map (made if it is missing), or an item of a list by its number.
Json& child(Json& at, const std::string& key, const std::string& change) {
  if (at.is_null() || at.is_object()) return at[key];
  if (!at.is_array()) throw usage_error("--set {}: \"{}\" is below {}, which has no fields", change, key, at.dump());
  size_t index = at.size();
  auto r = std::from_chars(key.data(), key.data() + key.size(), index);
  if (r.ec != std::errc() || r.ptr != key.data() + key.size() || index >= at.size())
    throw usage_error("--set {}: \"{}\" is no item of a list of {}; the first is 0", change, key, at.size());
  return at[index];
}

void apply_change(Json& recipe, const std::string& change) {
  size_t equals = change.find('=');
  if (equals == std::string::npos || equals == 0) throw usage_error("--set {}: expected a.b=value", change);
  Json* at = &recipe;
  std::string path = change.substr(0, equals);
  for (size_t dot; (dot = path.find('.')) != std::string::npos; path.erase(0, dot + 1))
    at = &child(*at, path.substr(0, dot), change);
  child(*at, path, change) = to_json(YAML::Load(change.substr(equals + 1)));
}

// Reads the fields of one object and complains about the ones nobody read.
class Fields {
 public:
  Fields(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json.is_object()) throw invalid_input("{}: expected a map, found {}", where_, json.dump());
  }
  template <class T>
  void read(const char* name, T& value) {
    known_.insert(name);
    if (!json_.contains(name)) return;
    try {
      value = json_[name].get<T>();
    } catch (const Json::exception&) {
      throw invalid_input("{}: \"{}\" is {}, which is no value for it", where_, name, json_[name].dump());
    }
  }
  const Json* object(const char* name) {
    known_.insert(name);
    return json_.contains(name) ? &json_[name] : nullptr;
  }
  void finish() const {
    for (const auto& [key, value] : json_.items())
      if (!known_.contains(key)) throw invalid_input("{}: unknown field \"{}\"", where_, key);
  }

 private:
  const Json& json_;
  std::string where_;
  std::set<std::string> known_;
};

Json model_config(const Json& model, const std::string& where) {
  if (!model.is_object()) throw invalid_input("{}: \"model\" is {}, expected a map", where, model.dump());
  if (!model.contains("preset")) return model;
  for (const char* field : {"family", "preset"})
    if (!model.contains(field) || !model[field].is_string())
      throw invalid_input("{}: model has no word for \"{}\"", where, field);
  std::string name = model["family"].get<std::string>();
  const Family* family = find_family(name);
  if (!family) throw invalid_input("{}: no model family \"{}\"; `galago models` lists them", where, name);
  std::string size = model["preset"].get<std::string>();
  Json config = family->preset(size);
  if (config.is_null()) throw invalid_input("{}: family {} has no preset \"{}\"", where, name, size);
  for (const auto& [key, value] : model.items())
    if (key != "family" && key != "preset") config[key] = value;
  return config;
}

void check(const Recipe& r, const std::string& where) {
  auto require = [&](bool ok, const char* what) {
    if (!ok) throw invalid_input("{}: {}", where, what);
  };
  require(!r.stages.empty(), "\"stages\" is empty: expected a list of {steps, style}");
  for (const StageRecipe& stage : r.stages) require(stage.steps > 0, "a stage needs steps > 0");
  require(r.batch > 0 && r.accumulate > 0, "batch and accumulate must be positive");
  require(r.learning_rate > 0, "learning_rate must be positive");
  require(r.eval_every > 0 && r.save_every > 0 && r.log_every > 0,
          "eval_every, save_every and log_every must be positive");
  require(r.data.validation_size > 0, "data.validation_size must be positive");
  const std::string& kind = r.schedule.kind;
  require(kind == "cosine" || kind == "wsd" || kind == "constant", "schedule.kind must be cosine, wsd or constant");
}

}  // namespace

bool multiplies_bf16(std::string_view device) {
  if (device != "cpu") return true;
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

int64_t Recipe::total_steps() const {
  int64_t n = 0;
  for (const StageRecipe& stage : stages) n += stage.steps;
  return n;
}

Recipe read_recipe(const std::string& path, const std::vector<std::string>& changes) {
  Json json;
  try {
    json = to_json(YAML::Load(read_file(path, 1 << 20)));
    for (const std::string& change : changes) apply_change(json, change);
  } catch (const YAML::Exception& e) {
    throw invalid_input("{}: not valid YAML: {}", path, e.what());
  }
  Recipe r;
  Fields f(json, path);
  f.read("name", r.name);
  f.read("init", r.init);
  f.read("vocab_size", r.vocab_size);
  f.read("tokenizer_texts", r.tokenizer_texts);
  f.read("batch", r.batch);
  f.read("accumulate", r.accumulate);
  f.read("learning_rate", r.learning_rate);
  f.read("weight_decay", r.weight_decay);
  f.read("clip", r.clip);
  f.read("beta2", r.beta2);
  f.read("device", r.device);
  r.bf16 = multiplies_bf16(r.device);
  f.read("bf16", r.bf16);
  f.read("seed", r.seed);
  f.read("eval_every", r.eval_every);
  f.read("save_every", r.save_every);
  f.read("log_every", r.log_every);
  f.read("patience", r.patience);
  f.read("out", r.out);
  f.read("threads", r.threads);
  if (const Json* data = f.object("data")) {
    Fields d(*data, path + ": data");
    d.read("folder", r.data.folder);
    d.read("seed", r.data.seed);
    d.read("train_size", r.data.train_size);
    d.read("validation_size", r.data.validation_size);
    d.finish();
  }
  if (const Json* stages = f.object("stages")) {
    if (!stages->is_array()) throw invalid_input("{}: \"stages\" is {}, expected a list", path, stages->dump());
    for (const Json& item : *stages) {
      StageRecipe stage;
      Fields s(item, path + ": stages");
      s.read("steps", stage.steps);
      s.read("style", stage.style);
      s.finish();
      r.stages.push_back(stage);
    }
  }
  if (const Json* schedule = f.object("schedule")) {
    Fields s(*schedule, path + ": schedule");
    s.read("kind", r.schedule.kind);
    s.read("warmup", r.schedule.warmup);
    s.read("floor", r.schedule.floor);
    s.read("decay_share", r.schedule.decay_share);
    s.finish();
  }
  const Json* model = f.object("model");
  if (!model) throw invalid_input("{}: field \"model\" is missing", path);
  r.model = model_config(*model, path);
  f.finish();
  check(r, path);
  r.schedule.steps = r.total_steps();
  return r;
}

Json recipe_to_json(const Recipe& r) {
  Json stages = Json::array();
  for (const StageRecipe& stage : r.stages) stages.push_back({{"steps", stage.steps}, {"style", stage.style}});
  return {{"name", r.name},
          {"model", r.model},
          {"init", r.init},
          {"vocab_size", r.vocab_size},
          {"tokenizer_texts", r.tokenizer_texts},
          {"data",
           {{"folder", r.data.folder},
            {"seed", r.data.seed},
            {"train_size", r.data.train_size},
            {"validation_size", r.data.validation_size}}},
          {"stages", stages},
          {"batch", r.batch},
          {"accumulate", r.accumulate},
          {"learning_rate", r.learning_rate},
          {"schedule",
           {{"kind", r.schedule.kind},
            {"warmup", r.schedule.warmup},
            {"floor", r.schedule.floor},
            {"decay_share", r.schedule.decay_share}}},
          {"weight_decay", r.weight_decay},
          {"clip", r.clip},
          {"beta2", r.beta2},
          {"bf16", r.bf16},
          {"seed", r.seed},
          {"eval_every", r.eval_every},
          {"save_every", r.save_every},
          {"log_every", r.log_every},
          {"patience", r.patience},
          {"out", r.out},
          {"device", r.device},
          {"threads", r.threads}};
}

}  // namespace galago
