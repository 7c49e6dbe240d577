#include "train/run_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "formats/safetensors.h"

namespace galago {
namespace fs = std::filesystem;
namespace {

// Makes names in a folder survive a power cut; the files sync themselves.
void sync_folder(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

Json RunState::to_json() const {
  return {{"step", step},
          {"best_loss", best_loss},
          {"evaluations_without_progress", evaluations_without_progress},
          {"best_style", best_style}};
}

RunState RunState::from_json(const Json& json) {
  return {json.at("step").get<int64_t>(), json.at("best_loss").get<double>(),
          json.at("evaluations_without_progress").get<int>(), json.value("best_style", "")};
}

RunFolder::RunFolder(std::string path) : path_(std::move(path)) {
  std::error_code error;
  fs::create_directories(path_, error);
  if (error) throw io_error("{}: cannot make this folder: {}", path_, error.message());
}

bool RunFolder::has_checkpoint() const { return fs::exists(path_ + "/last/state.json"); }

std::string RunFolder::checkpoint_name(int64_t step) const { return fmt::format("step-{:08}", step); }

// A step that `last` points to is already there, byte for byte; replacing it would leave a moment without any.
void RunFolder::save(const torch_backend::Trainer& trainer, const Model& model, const Tokenizer& tokenizer,
                     const RunState& state, bool best) {
  std::string name = checkpoint_name(state.step);
  if (target("last") != name || !has_checkpoint()) write_checkpoint(name, trainer, model, tokenizer, state);
  point("last", name);
  if (best) point("best", name);
  sync_folder(path_);
  remove_old();
}

void RunFolder::write_checkpoint(const std::string& name, const torch_backend::Trainer& trainer, const Model& model,
                                 const Tokenizer& tokenizer, const RunState& state) {
  std::string temporary = path_ + "/" + name + ".tmp";
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
  sync_folder(temporary);
  fs::remove_all(path_ + "/" + name);
  fs::rename(temporary, path_ + "/" + name);
  sync_folder(path_);
}

std::string RunFolder::target(const std::string& link) const {
  std::error_code none;
  return fs::read_symlink(path_ + "/" + link, none).string();
}

void RunFolder::point(const std::string& link, const std::string& target) {
  std::string temporary = path_ + "/" + link + ".tmp";
  fs::remove(temporary);
  fs::create_symlink(target, temporary);
  fs::rename(temporary, path_ + "/" + link);
}

void RunFolder::remove_old() {
  std::string last = target("last"), best = target("best");
  std::vector<fs::path> old;
  for (const auto& entry : fs::directory_iterator(path_)) {
    std::string name = entry.path().filename().string();
    if (name.starts_with("step-") && name != last && name != best) old.push_back(entry.path());
  }
  for (const fs::path& path : old) fs::remove_all(path);
}

RunState RunFolder::resume(torch_backend::Trainer& trainer, const Model& model) {
  std::string folder = path_ + "/last";
  std::map<std::string, Tensor> parameters, moments;
  for (auto& [name, weight] : load_weights(model, *open_weights(folder), WeightNames::Reference)) parameters[name] = weight->data;
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

void RunFolder::start_over() { fs::remove(path_ + "/log.jsonl"); }

void RunFolder::log(const Json& line) {
  if (!log_.is_open()) log_.open(path_ + "/log.jsonl", std::ios::app);
  log_ << line.dump() << std::endl;
}

}  // namespace galago
