#include "train/run_folder.h"

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "formats/safetensors.h"

namespace galago {
namespace fs = std::filesystem;

Json RunState::to_json() const {
  return {{"step", step}, {"best_loss", best_loss}, {"evaluations_without_progress", evaluations_without_progress}};
}

RunState RunState::from_json(const Json& json) {
  return {json.at("step").get<int64_t>(), json.at("best_loss").get<double>(),
          json.at("evaluations_without_progress").get<int>()};
}

RunFolder::RunFolder(std::string path) : path_(std::move(path)) {
  std::error_code error;
  fs::create_directories(path_, error);
  if (error) throw io_error("{}: cannot make this folder: {}", path_, error.message());
}

bool RunFolder::has_checkpoint() const { return fs::exists(path_ + "/last/state.json"); }

std::string RunFolder::checkpoint_name(int64_t step) const { return fmt::format("step-{:08}", step); }

void RunFolder::save(const torch_backend::Trainer& trainer, const Model& model, const Tokenizer& tokenizer,
                     const RunState& state, bool best) {
  std::string name = checkpoint_name(state.step), temporary = path_ + "/" + name + ".tmp";
  fs::remove_all(temporary);
  fs::create_directories(temporary);
  Weights weights;
  for (const WeightSpec& spec : model.weights())
    weights[spec.name] = std::make_shared<Weight>(Weight{spec.name, trainer.parameter(spec.name)});
  save_checkpoint(temporary, model, weights, &tokenizer);
  std::vector<NamedTensor> moments;
  for (auto& [key, tensor] : trainer.optimizer_state()) moments.push_back({key, tensor});
  write_safetensors(temporary + "/optimizer.safetensors", std::move(moments));
  write_file(temporary + "/state.json", state.to_json().dump(2) + "\n");
  fs::remove_all(path_ + "/" + name);
  fs::rename(temporary, path_ + "/" + name);
  point("last", name);
  if (best) point("best", name);
  remove_old();
}

void RunFolder::point(const std::string& link, const std::string& target) {
  std::string temporary = path_ + "/" + link + ".tmp";
  fs::remove(temporary);
  fs::create_symlink(target, temporary);
  fs::rename(temporary, path_ + "/" + link);
}

void RunFolder::remove_old() {
  auto target = [&](const char* link) {
    std::error_code none;
    return fs::read_symlink(path_ + "/" + link, none).string();
  };
  std::string last = target("last"), best = target("best");
  for (const auto& entry : fs::directory_iterator(path_)) {
    std::string name = entry.path().filename().string();
    if (name.starts_with("step-") && name != last && name != best) fs::remove_all(entry.path());
  }
}

RunState RunFolder::resume(torch_backend::Trainer& trainer, const Model& model) {
  std::string folder = path_ + "/last";
  std::map<std::string, Tensor> parameters, moments;
  for (auto& [name, weight] : load_weights(model, *open_weights(folder), false)) parameters[name] = weight->data;
  SafetensorsFile file = SafetensorsFile::open(folder + "/optimizer.safetensors");
  for (const std::string& name : file.names()) moments[name] = file.get(name);
  RunState state = RunState::from_json(read_json(folder + "/state.json"));
  trainer.restore(parameters, moments, state.step);
  std::string kept;
  std::ifstream log(path_ + "/log.jsonl");
  for (std::string line; std::getline(log, line);) {
    Json json = Json::parse(line, nullptr, false);
    if (!json.is_discarded() && json.value("step", INT64_MAX) <= state.step) kept += line + "\n";
  }
  write_file(path_ + "/log.jsonl", kept);
  return state;
}

void RunFolder::log(const Json& line) {
  if (!log_.is_open()) log_.open(path_ + "/log.jsonl", std::ios::app);
  log_ << line.dump() << std::endl;
}

}  // namespace galago
