// galago perplexity MODEL --file F: how well a model foresees a text.
#include "eval/perplexity.h"

#include <fmt/format.h>

#include <numbers>

#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "runtime/session.h"

namespace galago::cli {
namespace {

struct Options {
  ModelFiles files;
  std::string file;
  PerplexityOptions windows;
  int threads = 0;
  bool json = false;
};

void run(const Options& o) {
  auto checkpoint = std::make_shared<Checkpoint>(load_checkpoint(o.files));
  require_tokenizer(*checkpoint);
  context_length(*checkpoint, o.windows.n_context);  // throws if the model has fewer places
  const std::string text = read_file(o.file);
  const std::vector<int32_t> ids = checkpoint->tokenizer->encode(text);
  Progress progress("windows");
  const Perplexity p = perplexity(checkpoint, make_executor("cpu", o.threads), ids, o.windows,
                                  [&](int64_t done, int64_t all) { progress.show(double(done), double(all)); });
  const double tokens_a_byte = static_cast<double>(ids.size()) / static_cast<double>(text.size());
  const double nll = p.nll / static_cast<double>(p.n_tokens), bits_a_byte = nll / std::numbers::ln2 * tokens_a_byte;
  if (o.json)
    return print_json({{"model", o.files.model},
                       {"perplexity", p.value()},
                       {"standard_error", p.standard_error()},
                       {"nll", nll},
                       {"bits_per_byte", bits_a_byte},
                       {"tokens", p.n_tokens},
                       {"context", o.windows.n_context}});
  fmt::print("perplexity {:.4f} +- {:.4f} over {} tokens in windows of {}; {:.4f} bits a byte\n", p.value(),
             p.standard_error(), p.n_tokens, o.windows.n_context, bits_a_byte);
}

}  // namespace

void define_perplexity(CLI::App& app) {
  auto o = std::make_shared<Options>();
  add_model_options(app, o->files);
  app.add_option("-f,--file", o->file, "the text")->required();
  app.add_option("-c,--ctx-size", o->windows.n_context, "tokens of a window")->check(CLI::Range(2, 1 << 20));
  app.add_option("-b,--batch-size", o->windows.chunk, "of them run at once")->check(CLI::Range(1, 65536));
  app.add_flag("--whole", o->windows.whole, "score whole windows; otherwise their second halves, as llama.cpp does");
  app.add_option("-t,--threads", o->threads, "threads; default: one per processor")->check(CLI::Range(0, 1024));
  app.add_flag("--json", o->json, "one JSON object");
  app.callback([o] { run(*o); });
}

}  // namespace galago::cli
