// galago trace MODEL: one forward pass of a whole prompt; named values go to a safetensors file.
#include <fmt/format.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "formats/safetensors.h"
#include "runtime/checkpoint.h"
#include "runtime/trace.h"

namespace galago::cli {
namespace {

struct Options {
  ModelFiles files;
  std::string prompt, executor = "cpu", out, names = "*";
  std::vector<int32_t> ids;
  std::vector<std::string> images;
  int threads = 0;
  bool json = false;
};

TraceInput make_input(const Options& o, const Checkpoint& checkpoint) {
  std::vector<Image> pictures;
  for (const std::string& path : o.images) pictures.push_back(load_image(path));
  if (!o.ids.empty()) return trace_input(*checkpoint.model, o.ids, pictures);
  if (!checkpoint.tokenizer) throw invalid_input("{}: no tokenizer; use --ids instead of text", o.files.model);
  return trace_input(*checkpoint.model, *checkpoint.tokenizer, o.prompt, pictures);
}

void run(const Options& o) {
  if (!o.ids.empty() && !o.prompt.empty()) throw usage_error("--ids and -p are two ways to say the prompt; choose one");
  auto executor = make_executor(o.executor, o.threads);
  Checkpoint checkpoint = load_checkpoint(o.files);
  TraceInput input = make_input(o, checkpoint);
  Trace trace = run_trace(*checkpoint.model, checkpoint.weights, *executor, input, o.names);
  std::vector<NamedTensor> tensors;
  Json listed = Json::array();
  for (auto& [name, tensor] : trace) {
    tensors.push_back({name, tensor});
    listed.push_back(
        {{"name", name}, {"shape", std::vector<int64_t>(tensor.shape().dims().begin(), tensor.shape().dims().end())}});
  }
  write_safetensors(o.out, std::move(tensors));
  if (o.json)
    return print_json({{"out", o.out},
                       {"executor", o.executor},
                       {"tokens", input.ids.size()},
                       {"ids", input.ids},
                       {"values", listed}});
  for (auto& [name, tensor] : trace) fmt::print("{}  {}\n", name, tensor.shape().to_string());
}

}  // namespace

void define_trace(CLI::App& app) {
  auto o = std::make_shared<Options>();
  add_model_options(app, o->files);
  app.add_option("--ids", o->ids, "the prompt as token ids: 1,2,3 (pictures come before them)")->delimiter(',');
  app.add_option("-p,--prompt", o->prompt, "the prompt as text, in the model's own prompt format");
  app.add_option("--image", o->images, "a picture; may be given more than once")->allow_extra_args(false);
  app.add_option("--executor", o->executor, "cpu (default) or torch");
  app.add_option("-t,--threads", o->threads, "0 = one per processor");
  app.add_option("--names", o->names,
                 "only values whose names match, for example 'text.blocks.*'; logits are always there");
  app.add_option("--out", o->out, "the safetensors file to write")->required();
  app.add_flag("--json", o->json, "names and shapes as one JSON object");
  app.callback([o] { run(*o); });
}

}  // namespace galago::cli
