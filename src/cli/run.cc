// galago run MODEL: answers once and streams to stdout; without -p and a picture, and on a terminal, a chat.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "base/clock.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/progress.h"
#include "cli/command.h"
#include "runtime/session.h"

namespace galago::cli {
namespace {

struct Options {
  std::string model, prompt, executor = "cpu", cache_type = "f32";
  std::vector<std::string> images;
  int n = -1, context = 0, chunk = 512, threads = 0;
  double temperature = -1, top_p = -1, min_p = 0, repeat_penalty = 1;
  int top_k = -1;
  uint64_t seed = 0;
  bool json = false, stored = false;
};

DType find_cache_type(const std::string& name) {
  const DTypeInfo* type = find_dtype(name);
  if (!type || (type->dtype != DType::F32 && type->dtype != DType::F16))
    throw usage_error("--cache-type {}: expected f32 or f16", name);
  return type->dtype;
}

GenerateOptions generation(const Options& o, const SamplingDefaults& defaults) {
  GenerateOptions g{.max_new_tokens = o.n >= 0 ? o.n : defaults.max_new_tokens};
  g.sampling.temperature = o.temperature >= 0 ? static_cast<float>(o.temperature) : defaults.temperature;
  g.sampling.top_k = o.top_k >= 0 ? o.top_k : defaults.top_k;
  g.sampling.top_p = o.top_p >= 0 ? static_cast<float>(o.top_p) : defaults.top_p;
  g.sampling.min_p = static_cast<float>(o.min_p);
  g.sampling.repeat_penalty = static_cast<float>(o.repeat_penalty);
  g.sampling.seed = o.seed;
  return g;
}

bool print_piece(std::string_view piece) {
  std::fwrite(piece.data(), 1, piece.size(), stdout);
  std::fflush(stdout);
  return !interrupted();
}

void print_times(const Timings& t, double load_ms, double first_token_ms) {
  note(
      fmt::format("load {:.0f} ms, picture {:.0f} + {:.0f} ms ({} tokens), prompt {:.0f} ms ({} tokens), "
                  "answer {:.0f} ms ({} tokens, {:.0f} tok/s); first token after {:.0f} ms, peak memory {:.0f} MB",
                  load_ms, t.prepare, t.encode, t.n_picture_tokens, t.prefill, t.n_prompt, t.generate, t.n_generated,
                  t.generate > 0 ? t.n_generated * 1000.0 / t.generate : 0.0, first_token_ms, peak_memory_mb()));
}

Json to_json(const std::string& text, const Session& session, double load_ms, double first_token_ms) {
  const Timings& t = session.timings();
  return {{"text", text},
          {"ids", session.generated_ids()},
          {"n_prompt", t.n_prompt},
          {"n_generated", t.n_generated},
          {"n_picture_tokens", t.n_picture_tokens},
          {"ms",
           {{"load", load_ms},
            {"prepare", t.prepare},
            {"encode", t.encode},
            {"prefill", t.prefill},
            {"generate", t.generate},
            {"first_token", first_token_ms}}},
          {"peak_memory_mb", peak_memory_mb()}};
}

class Runner {
 public:
  explicit Runner(const Options& o)
      : o_(o),
        checkpoint_(std::make_shared<Checkpoint>(load_checkpoint(o.model))),
        session_(checkpoint_, make_executor(o.executor, o.threads),
                 {.n_context = o.context, .chunk = o.chunk, .cache_type = find_cache_type(o.cache_type)}),
        generation_(generation(o, checkpoint_->model->sampling())),
        load_ms_(since_start_.elapsed_ms()) {}

  void attach_images() {
    for (const std::string& path : o_.images) {
      Image image = load_image(path);
      session_.attach_image(o_.stored ? image : upright(std::move(image)));
    }
  }

  void answer_once() {
    attach_images();
    session_.append(o_.prompt);
    double first_ms = -1;
    std::string text = session_.generate(generation_, [&](std::string_view piece) {
      if (first_ms < 0) first_ms = since_start_.elapsed_ms();
      return o_.json ? !interrupted() : print_piece(piece);
    });
    if (o_.json) return print_json(to_json(text, session_, load_ms_, first_ms));
    fmt::print("\n");
    print_times(session_.timings(), load_ms_, first_ms);
  }

  void chat() {
    note("type a message; an empty line or Ctrl-D ends the chat");
    attach_images();
    for (std::string line; fmt::print(stderr, "> "), std::getline(std::cin, line) && !line.empty() && !interrupted();) {
      session_.append(line);
      session_.generate(generation_, print_piece);
      fmt::print("\n");
    }
  }

 private:
  Stopwatch since_start_;
  Options o_;
  std::shared_ptr<Checkpoint> checkpoint_;
  Session session_;
  GenerateOptions generation_;
  double load_ms_;
};

void run(const Options& o, bool prompt_given) {
  catch_interrupts();
  Runner runner(o);
  bool once = prompt_given || o.json || !o.images.empty() || !isatty(STDIN_FILENO);
  once ? runner.answer_once() : runner.chat();
}

}  // namespace

void define_run(CLI::App& app) {
  auto o = std::make_shared<Options>();
  app.add_option("MODEL,-m,--model", o->model, "a GGUF file of galago or a Hugging Face folder")->required();
  CLI::Option* prompt =
      app.add_option("-p,--prompt", o->prompt, "the question, or the beginning of the text to continue");
  app.add_option("--image", o->images, "a picture; may be given several times")->allow_extra_args(false);
  app.add_flag("--stored", o->stored, "take pictures as stored, without the turn that EXIF asks for");
  app.add_option("-n,--n-predict", o->n, "longest answer in tokens");
  app.add_option("-c,--ctx-size", o->context,
                 "places in the key/value cache; default: what the model allows, at most 4096");
  app.add_option("-b,--batch-size", o->chunk, "longest piece of prompt run at once")->check(CLI::Range(1, 65536));
  app.add_option("-t,--threads", o->threads, "threads; default: one per processor")->check(CLI::Range(0, 1024));
  app.add_option("--temp", o->temperature, "0 = always the most probable token");
  app.add_option("--top-k", o->top_k, "sample from this many tokens; 0 = all");
  app.add_option("--top-p", o->top_p, "sample from the tokens that make up this probability");
  app.add_option("--min-p", o->min_p, "drop tokens less probable than this share of the best");
  app.add_option("--repeat-penalty", o->repeat_penalty, "above 1: repeated tokens become less probable");
  app.add_option("--seed", o->seed, "of sampling");
  app.add_option("--cache-type", o->cache_type, "f32 or f16");
  app.add_option("--executor", o->executor, "cpu or torch");
  app.add_flag("--json", o->json, "text, ids and times as one JSON object");
  app.callback([o, prompt] { run(*o, prompt->count() > 0); });
}

}  // namespace galago::cli
