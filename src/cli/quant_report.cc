// galago quant-report MODEL: what each number format or mix of them costs, on a text and pictures: the next-token
// distributions of the quantized model beside those of the model as it is stored.
#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cpu/executor.h"
#include "quant/quality.h"
#include "quant/quantize.h"
#include "runtime/trace.h"

namespace galago::cli {
namespace {

struct Options {
  ModelFiles files;
  std::vector<std::string> types = {"q8_0", "q4_0", "q4_k_m", "bluelm_mobile"}, images;
  std::string prompt = "there is", file, vision_type;
  int tokens = 512, threads = 0;
  bool json = false, deterministic = false;
};

struct Row {
  std::string type;
  size_t n_bytes = 0;  // of all weights
  LogitsQuality text, pictures;
  double picture_error = 0;  // of what the vision network gives to the language model
};

// The texts that are looked at: without pictures, and, if there are any, behind them.
struct Inputs {
  TraceInput text;
  std::optional<TraceInput> pictures;
};

Inputs make_inputs(const Options& o, const Checkpoint& checkpoint) {
  require_tokenizer(checkpoint);
  std::vector<int32_t> ids = checkpoint.tokenizer->encode(o.file.empty() ? o.prompt : read_file(o.file));
  const int most = std::min(o.tokens, checkpoint.model->cache().max_context);
  ids.resize(std::min(ids.size(), static_cast<size_t>(most)));
  Inputs inputs{trace_input(*checkpoint.model, ids, {})};
  std::vector<Image> images;
  for (const std::string& path : o.images) images.push_back(upright(load_image(path)));
  if (!images.empty()) inputs.pictures = trace_input(*checkpoint.model, *checkpoint.tokenizer, o.prompt, images);
  return inputs;
}

struct Outputs {
  Tensor text, pictures, picture_rows;
};

size_t n_bytes(const Weights& weights) {
  size_t n = 0;
  for (const auto& [name, weight] : weights) n += weight->data.n_bytes();
  return n;
}

// An executor of its own: packed weights are gone when the next format comes.
Outputs run(const Options& o, const Model& model, const Weights& weights, const Inputs& inputs) {
  auto executor =
      cpu::make_executor(std::make_shared<ThreadPool>(o.threads), o.deterministic ? cpu::Mode::Exact : cpu::Mode::Fast);
  Outputs outputs{.text = run_trace(model, weights, *executor, inputs.text, "logits").at("logits")};
  if (!inputs.pictures) return outputs;
  Trace trace = run_trace(model, weights, *executor, *inputs.pictures, "picture_rows");
  outputs.pictures = trace.at("logits");
  outputs.picture_rows = trace.at("picture_rows");
  return outputs;
}

Row compare(const std::string& type, const Weights& weights, const Outputs& reference, const Outputs& tested) {
  Row row{.type = type, .n_bytes = n_bytes(weights), .text = compare_logits(reference.text, tested.text)};
  if (!reference.pictures.bytes()) return row;
  row.pictures = compare_logits(reference.pictures, tested.pictures);
  row.picture_error = relative_error(reference.picture_rows, tested.picture_rows);
  return row;
}

std::vector<Row> measure(const Options& o) {
  std::vector<QuantRecipe> recipes;  // a wrong name should not cost a run
  for (const std::string& type : o.types) recipes.push_back(find_quant_recipe(type));
  for (QuantRecipe& recipe : recipes)
    if (!o.vision_type.empty()) recipe.vision = find_weight_format(o.vision_type);
  const Checkpoint checkpoint = load_checkpoint(o.files);
  const Inputs inputs = make_inputs(o, checkpoint);
  const Outputs reference = run(o, *checkpoint.model, checkpoint.weights, inputs);
  std::vector<Row> rows{compare("as stored", checkpoint.weights, reference, reference)};
  ThreadPool pool(o.threads);
  Progress progress("formats");
  for (size_t i = 0; i < recipes.size(); ++i) {
    progress.show(static_cast<double>(i), static_cast<double>(recipes.size()), o.types[i]);
    const Quantized q = quantize(checkpoint.model, checkpoint.weights, recipes[i], &pool);
    rows.push_back(compare(o.types[i], q.weights, reference, run(o, *q.model, q.weights, inputs)));
  }
  return rows;
}

Json to_json(const LogitsQuality& q) {
  return {{"mean_kl", q.mean_kl},
          {"max_kl", q.max_kl},
          {"same_top", q.same_top},
          {"relative_error", q.relative_error},
          {"places", q.n_places}};
}

void print_object(const Options& o, const std::vector<Row>& rows) {
  Json list = Json::array();
  for (const Row& row : rows) {
    list.push_back({{"type", row.type}, {"bytes", row.n_bytes}, {"text", to_json(row.text)}});
    if (row.pictures.n_places == 0) continue;
    list.back()["pictures"] = to_json(row.pictures);
    list.back()["pictures"]["picture_error"] = row.picture_error;
  }
  print_json({{"model", o.files.model}, {"rows", list}});
}

void print_part(const char* what, const std::vector<Row>& rows, LogitsQuality Row::*part) {
  const int64_t n = (rows[0].*part).n_places;
  if (n == 0) return;
  fmt::print("{}, {} places:\n", what, n);
  std::vector<std::vector<std::string>> table{{"type", "MB", "mean KL", "max KL", "same top token", "error of logits"}};
  for (const Row& row : rows) {
    const LogitsQuality& q = row.*part;
    table.push_back({row.type, fmt::format("{:.1f}", static_cast<double>(row.n_bytes) / 1e6),
                     fmt::format("{:.5f}", q.mean_kl), fmt::format("{:.5f}", q.max_kl),
                     fmt::format("{:.1f} %", 100 * q.same_top), fmt::format("{:.2f} %", 100 * q.relative_error)});
  }
  print_table(table);
}

void run_report(const Options& o) {
  const std::vector<Row> rows = measure(o);
  if (o.json) return print_object(o, rows);
  print_part("text", rows, &Row::text);
  print_part("pictures and text", rows, &Row::pictures);
  if (rows[0].pictures.n_places == 0) return;
  fmt::print("error of what the vision network gives to the language model:");
  for (const Row& row : rows) fmt::print(" {} {:.2f} %", row.type, 100 * row.picture_error);
  fmt::print("\n");
}

}  // namespace

void define_quant_report(CLI::App& app) {
  auto o = std::make_shared<Options>();
  add_model_options(app, o->files);
  app.add_option("--types", o->types, "number formats and mixes")->delimiter(',');
  app.add_option("--vision-type", o->vision_type, "another format for the weights that encode pictures");
  app.add_option("-p,--prompt", o->prompt, "a text; with pictures the question");
  app.add_option("-f,--file", o->file, "a text file instead, its first tokens");
  app.add_option("--tokens", o->tokens, "look at no more tokens of the text than this")->check(CLI::Range(1, 1 << 20));
  app.add_option("--image", o->images, "a picture; may be given several times")->allow_extra_args(false);
  app.add_option("-t,--threads", o->threads, "threads; default: one per processor")->check(CLI::Range(0, 1024));
  app.add_flag("--deterministic", o->deterministic, "products that round less, as `galago run --deterministic`");
  app.add_flag("--json", o->json, "one JSON object");
  app.callback([o] { run_report(*o); });
}

}  // namespace galago::cli
