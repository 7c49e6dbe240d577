// galago bench prefill and ttft: a long prompt in pieces of several lengths, and how long a user waits who types while
// a picture is encoded (BlueLM-V-3B, arXiv 2411.10640: chunked prefill; encoding decoupled from the instruction).
#include <chrono>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "cli/bench_common.h"
#include "runtime/pipeline_times.h"
#include "runtime/session.h"

namespace galago::cli {
namespace {

// ---- prefill
// ---------------------------------------------------------------------------------------------------------------

struct PrefillOptions : BenchOptions {
  int tokens = 2048, n_generate = 32;
  std::vector<int> chunks = {1, 8, 32, 128, 512, 2048};
};

struct PrefillSamples {
  Samples prefill_ms, tokens_per_second;
};

// One chunk length after the other: each needs a cache of its own.
Json measure_chunk(const PrefillOptions& o, const std::shared_ptr<Checkpoint>& checkpoint,
                   const std::shared_ptr<Executor>& executor, int chunk) {
  Session session(checkpoint, executor, {.n_context = o.tokens + o.n_generate, .chunk = chunk});
  const std::vector<int32_t> ids = noise_ids(*checkpoint, o.tokens);
  PrefillSamples samples;
  for (int repeat = -1; repeat < o.repeats; ++repeat) {
    session.reset();
    session.append_ids(ids);
    session.generate({.max_new_tokens = o.n_generate, .sampling = {}, .ignore_end = true});
    if (repeat < 0) continue;
    samples.prefill_ms.push_back(session.timings().prefill);
    samples.tokens_per_second.push_back(o.n_generate * 1000.0 / session.timings().generate);
  }
  const double ms = median(samples.prefill_ms);
  return {{"chunk", chunk},
          {"prefill_ms", ms},
          {"tok_per_s", o.tokens * 1000.0 / ms},
          {"activation_MB", megabytes(session.activation_bytes())},
          {"decode_tok_per_s", median(samples.tokens_per_second)}};
}

void run_prefill(const PrefillOptions& o) {
  auto checkpoint = load_for_bench(o);
  context_length(*checkpoint, o.tokens + o.n_generate);  // throws if the model has fewer places
  std::shared_ptr<Executor> executor = make_executor("cpu", o.threads);
  Json rows = Json::array();
  for (int chunk : o.chunks)
    if (chunk <= o.tokens) rows.push_back(measure_chunk(o, checkpoint, executor, chunk));
  print_bench("prefill", o, {"chunk", "prefill_ms", "tok_per_s", "activation_MB", "decode_tok_per_s"}, rows,
              {{"tokens", o.tokens}});
}

// ---- ttft
// ------------------------------------------------------------------------------------------------------------------

struct TtftOptions : BenchOptions {
  BenchPicture picture;
  std::vector<double> typing = {0, 1, 2, 4, 8};
  std::vector<std::string> modes = {"coupled", "decoupled", "eager"};
  std::string prompt = "what is in the picture?";
};

// What a mode makes of the time before the instruction is there.
struct TtftMode {
  std::string_view name;
  bool background, eager;
  double (*formula)(const AnswerTimes&, double typing_ms);
};
constexpr TtftMode kModes[] = {
    {"coupled", false, false, [](const AnswerTimes& t, double) { return coupled_ttft(t); }},
    {"decoupled", true, false, decoupled_ttft},
    {"eager", true, true, eager_ttft},
};

const TtftMode& find_mode(const std::string& name) {
  for (const TtftMode& mode : kModes)
    if (mode.name == name) return mode;
  throw usage_error("--mode {}: expected coupled, decoupled or eager", name);
}

// The parts of an answer one after the other, programs being there.
AnswerTimes measure_parts(Session& session, const PictureSource& source, const std::string& prompt) {
  session.reset();
  Stopwatch clock;
  AnswerTimes times;
  session.attach_image(source);
  times.vision = clock.lap_ms();
  session.prefill_pictures();
  times.prefill_image = clock.lap_ms();
  session.append(prompt);
  times.prefill_text = clock.lap_ms();
  return times;
}

double measure_wait(Session& session, const TtftMode& mode, const PictureSource& source, const std::string& prompt,
                    double typing_ms) {
  session.reset();
  if (mode.background) session.attach_image(source);
  if (mode.eager) session.prefill_pictures();
  std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(typing_ms));
  Stopwatch clock;
  if (!mode.background) session.attach_image(source);
  session.append(prompt);
  return clock.elapsed_ms();
}

void run_ttft(const TtftOptions& o) {
  for (const std::string& name : o.modes) find_mode(name);
  auto checkpoint = load_for_bench(o);
  const PictureSource source = bench_picture(o.picture, *checkpoint);
  std::shared_ptr<Executor> executor = make_executor("cpu", o.threads);
  Session parts(checkpoint, executor);
  measure_parts(parts, source, o.prompt);  // compiles and packs
  Json rows = Json::array();
  for (const std::string& name : o.modes) {
    const TtftMode& mode = find_mode(name);
    Session session(checkpoint, executor, {.background = mode.background});
    measure_wait(session, mode, source, o.prompt, 0);
    for (double seconds : o.typing) {
      Samples measured, formula;
      for (int repeat = 0; repeat < o.repeats; ++repeat) {
        session.reset();  // nothing goes on in the background
        formula.push_back(mode.formula(measure_parts(parts, source, o.prompt), 1000 * seconds));
        measured.push_back(measure_wait(session, mode, source, o.prompt, 1000 * seconds));
      }
      rows.push_back({{"mode", name},
                      {"typing_s", seconds},
                      {"first_token_ms", median(measured)},
                      {"formula_ms", median(formula)}});
    }
  }
  print_bench("ttft", o, {"mode", "typing_s", "first_token_ms", "formula_ms"}, rows);
}

}  // namespace

void define_bench_prefill(CLI::App& app) {
  auto o = std::make_shared<PrefillOptions>();
  add_bench_options(app, *o);
  app.add_option("--tokens", o->tokens, "length of the prompt")->check(CLI::Range(1, 1 << 20));
  app.add_option("--chunk", o->chunks, "lengths of its pieces")->delimiter(',')->check(CLI::Range(1, 1 << 20));
  app.add_option("-n,--gen", o->n_generate, "tokens generated behind it")->check(CLI::Range(1, 1 << 20));
  app.callback([o] { run_prefill(*o); });
}

void define_bench_ttft(CLI::App& app) {
  auto o = std::make_shared<TtftOptions>();
  add_bench_options(app, *o);
  add_bench_picture(app, o->picture);
  app.add_option("--typing", o->typing, "seconds between the picture and the end of the instruction")
      ->delimiter(',')
      ->check(CLI::Range(0.0, 3600.0));
  app.add_option("--mode", o->modes,
                 "coupled: everything begins with the instruction; decoupled: the picture is encoded while the user "
                 "types; eager: and run through the language model")
      ->delimiter(',');
  app.add_option("-p,--prompt", o->prompt, "the instruction");
  app.callback([o] { run_ttft(*o); });
}

}  // namespace galago::cli
