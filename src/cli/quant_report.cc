// galago quant-report MODEL: what each number format or mix of them costs, on a text and pictures: the next-token
// distributions of the quantized model beside those of the model as it is stored.
#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "cli/command.h"
#include "cli/model_options.h"
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
  bool json = false;
};

struct Row {
  std::string type;
  size_t n_bytes = 0;  // of all weights
  LogitsQuality text, pictures;
};

// The texts that are looked at: without pictures, and, if there are any, behind them.
struct Inputs {
  TraceInput text;
  std::optional<TraceInput> pictures;
};

Inputs make_inputs(const Options& o, const Checkpoint& checkpoint) {
  if (!checkpoint.tokenizer) throw invalid_input("{}: no tokenizer; text needs one", checkpoint.path);
  std::vector<int32_t> ids = checkpoint.tokenizer->encode(o.file.empty() ? o.prompt : read_file(o.file));
  const int most = std::min(o.tokens, checkpoint.model->cache().max_context);
  ids.resize(std::min(ids.size(), static_cast<size_t>(most)));
  Inputs inputs{trace_input(*checkpoint.model, ids, {})};
  std::vector<Image> images;
  for (const std::string& path : o.images) images.push_back(upright(load_image(path)));
  if (!images.empty()) inputs.pictures = trace_input(*checkpoint.model, *checkpoint.tokenizer, o.prompt, images);
  return inputs;
}

struct Logits {
  Tensor text, pictures;
};

// An executor of its own: packed weights are gone when the next format comes.
Logits run(const Options& o, const Checkpoint& checkpoint, const Weights& weights, const Inputs& inputs) {
  auto executor = make_executor("cpu", o.threads);
  auto logits = [&](const TraceInput& input) {
    return run_trace(*checkpoint.model, weights, *executor, input, "logits").at("logits");
  };
  Logits result{logits(inputs.text), {}};
  if (inputs.pictures) result.pictures = logits(*inputs.pictures);
  return result;
}

size_t n_bytes(const Weights& weights) {
  size_t n = 0;
  for (const auto& [name, weight] : weights) n += weight->data.n_bytes();
  return n;
}

std::vector<Row> measure(const Options& o) {
  std::vector<QuantRecipe> recipes;  // a wrong name should not cost a run
  for (const std::string& type : o.types) recipes.push_back(find_quant_recipe(type));
  for (QuantRecipe& recipe : recipes)
    if (!o.vision_type.empty()) recipe.vision = find_weight_format(o.vision_type);
  const Checkpoint checkpoint = load_checkpoint(o.files);
  const Inputs inputs = make_inputs(o, checkpoint);
  const Logits reference = run(o, checkpoint, checkpoint.weights, inputs);
  std::vector<Row> rows{{"as stored", n_bytes(checkpoint.weights)}};
  rows[0].text = compare_logits(reference.text, reference.text);
  if (inputs.pictures) rows[0].pictures = compare_logits(reference.pictures, reference.pictures);
  ThreadPool pool(o.threads);
  Progress progress("formats");
  for (size_t i = 0; i < recipes.size(); ++i) {
    progress.show(static_cast<double>(i), static_cast<double>(recipes.size()), o.types[i]);
    const Quantized q = quantize(*checkpoint.model, checkpoint.weights, recipes[i], &pool);
    const Logits tested = run(o, checkpoint, q.weights, inputs);
    rows.push_back({o.types[i], n_bytes(q.weights), compare_logits(reference.text, tested.text), {}});
    if (inputs.pictures) rows.back().pictures = compare_logits(reference.pictures, tested.pictures);
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
    if (row.pictures.n_places > 0) list.back()["pictures"] = to_json(row.pictures);
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
  app.add_flag("--json", o->json, "one JSON object");
  app.callback([o] { run_report(*o); });
}

}  // namespace galago::cli
