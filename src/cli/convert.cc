// galago convert SRC DST: any readable model to one GGUF file, quantized if asked, or to a Hugging Face folder (DST
// without .gguf). Refuses to lose anything: a missing tensor, or one that the model would not read, stops it by name.
#include <fmt/format.h>

#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/progress.h"
#include "cli/command.h"
#include "quant/quantize.h"
#include "runtime/checkpoint.h"

namespace galago::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string source, target, type, vision_type;
  int threads = 0;
  bool json = false, allow_unknown = false;
};

// Buffers that reference code saves although they follow from the config: rotary frequencies, causal masks, 0..n-1.
bool is_known_buffer(std::string_view name) {
  for (std::string_view end :
       {"rotary_embd.inv_freq", "rotary_emb.inv_freq", ".tril", ".position_ids", ".attn.bias_mask"})
    if (name.ends_with(end)) return true;
  return false;
}

std::vector<std::string> unread_tensors(const Model& model, const WeightSource& source) {
  std::set<std::string> read;
  for (const WeightSpec& spec : model.weights()) {
    read.insert(spec.name);
    read.insert(spec.parts.begin(), spec.parts.end());
    read.insert(spec.aliases.begin(), spec.aliases.end());
  }
  std::vector<std::string> unread;
  for (const std::string& name : source.names())
    if (!read.contains(name) && !is_known_buffer(name)) unread.push_back(name);
  return unread;
}

void check_all_read(const Options& o, const Model& model) {
  std::vector<std::string> unread = unread_tensors(model, *open_weights(o.source));
  if (unread.empty()) return;
  std::string names;
  constexpr size_t kShown = 8;
  for (size_t i = 0; i < std::min(unread.size(), kShown); ++i) names += "\n  " + unread[i];
  if (unread.size() > kShown) names += fmt::format("\n  and {} more", unread.size() - kShown);
  if (!o.allow_unknown)
    throw invalid_input("{}: {} tensors that {} does not have. Use --allow-unknown to leave them out:{}", o.source,
                        unread.size(), model.family(), names);
  note(fmt::format("left out {} unknown tensors:{}", unread.size(), names));
}

Quantized requantize(const Options& o, const Checkpoint& checkpoint) {
  if (o.type.empty() && o.vision_type.empty()) return {.weights = checkpoint.weights};
  QuantRecipe recipe = find_quant_recipe(o.type.empty() ? "f32" : o.type);
  if (!o.vision_type.empty()) recipe.vision = find_weight_format(o.vision_type);
  ThreadPool pool(o.threads);
  return quantize(*checkpoint.model, checkpoint.weights, recipe, &pool);
}

size_t total_bytes(const Weights& weights) {
  size_t n = 0;
  for (auto& [name, weight] : weights) n += weight->data.n_bytes();
  return n;
}

Json rows_json(const std::vector<QuantRow>& rows) {
  Json list = Json::array();
  for (const QuantRow& row : rows)
    list.push_back({{"name", row.name},
                    {"type", info(row.type).name},
                    {"wanted", info(row.wanted).name},
                    {"bytes", row.n_bytes},
                    {"relative_rms_error", row.error}});
  return list;
}

void print_rows(const std::vector<QuantRow>& rows) {
  std::vector<std::vector<std::string>> table{{"TENSOR", "SHAPE", "TYPE", "ERROR", ""}};
  for (const QuantRow& row : rows) {
    std::string remark =
        row.type == row.wanted ? "" : fmt::format("rows of {} do not fit {}", row.shape.last(), info(row.wanted).name);
    table.push_back(
        {row.name, row.shape.to_string(), std::string(info(row.type).name), fmt::format("{:.2e}", row.error), remark});
  }
  if (!rows.empty()) print_table(table);
}

void check_target(const Options& o) {
  std::error_code none;
  if (fs::exists(o.target, none) && fs::equivalent(o.source, o.target, none))
    throw usage_error("{}: source and target are the same; choose another name for the result", o.target);
}

void write(const Options& o, const Checkpoint& checkpoint, const Weights& weights) {
  if (o.target.ends_with(".gguf")) return write_gguf(o.target, *checkpoint.model, weights, checkpoint.tokenizer.get());
  fs::create_directories(o.target);
  save_checkpoint(o.target, *checkpoint.model, weights, checkpoint.tokenizer.get());
}

void run(const Options& o) {
  if (!o.type.empty()) find_quant_recipe(o.type);  // a wrong name should not wait for the model
  if (!o.vision_type.empty()) find_weight_format(o.vision_type);
  Checkpoint checkpoint = load_checkpoint(o.source);
  check_target(o);
  check_all_read(o, *checkpoint.model);
  Quantized result = requantize(o, checkpoint);
  write(o, checkpoint, result.weights);
  size_t before = total_bytes(checkpoint.weights), after = total_bytes(result.weights);
  if (o.json)
    return print_json({{"source", o.source},
                       {"out", o.target},
                       {"family", checkpoint.model->family()},
                       {"bytes_before", before},
                       {"bytes_after", after},
                       {"tensors", rows_json(result.rows)}});
  print_rows(result.rows);
  fmt::print("{}: weights {:.1f} MB, before {:.1f} MB\n", o.target, static_cast<double>(after) / 1e6,
             static_cast<double>(before) / 1e6);
}

std::string type_help() {
  std::string names;
  for (std::string_view name : quant_recipe_names()) names += fmt::format(" {}", name);
  return "format or mix for the matrices; without it they stay as they are. One of:" + names;
}

}  // namespace

void define_convert(CLI::App& app) {
  auto o = std::make_shared<Options>();
  app.add_option("SRC", o->source, "a Hugging Face folder or a GGUF file of galago")->required();
  app.add_option("DST", o->target, "a .gguf file, or a folder for a Hugging Face checkpoint in float32")->required();
  app.add_option("--type", o->type, type_help());
  app.add_option("--vision-type", o->vision_type, "another format for vision tower and projector");
  app.add_flag("--allow-unknown", o->allow_unknown, "leave out tensors that the model does not have");
  app.add_option("-t,--threads", o->threads, "0 = one per processor");
  app.add_flag("--json", o->json, "sizes and errors as one JSON object");
  app.callback([o] { run(*o); });
}

}  // namespace galago::cli
