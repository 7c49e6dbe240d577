// galago bench memory and load: what of a model is resident at each step of an answer, with and without the vision
// network afterwards, and how fast it is there.
#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "cli/bench_common.h"
#include "cli/run_options.h"
#include "runtime/memory_use.h"
#include "runtime/preload.h"
#include "runtime/session.h"

namespace galago::cli {
namespace {

// ---- memory
// ----------------------------------------------------------------------------------------------------------------

struct MemoryOptions : BenchOptions {
  BenchPicture picture;
  int tokens = 256, n_generate = 32, context = 0, tile_batch = 0;
  std::string cache_type = "f16";
  int chunk = 512;
  bool release = false;
};

// One step with its own peak, where the system lets us count anew.
template <class Step>
Json measure_step(const char* point, Step step) {
  reset_peak_memory();
  step();
  const MemoryUse use = memory_use();
  return {{"point", point},
          {"file_MB", megabytes(use.file_backed)},
          {"anonymous_MB", megabytes(use.anonymous)},
          {"resident_MB", megabytes(use.resident())},
          {"peak_MB", megabytes(use.peak)}};
}

void run_memory(const MemoryOptions& o) {
  std::shared_ptr<Checkpoint> checkpoint;
  std::optional<Session> session;
  PictureSource source;
  Json rows = Json::array();
  rows.push_back(measure_step("loaded", [&] {
    checkpoint = load_for_bench(o);
    source = bench_picture(o.picture, *checkpoint);
    preload(*checkpoint, false);
    session.emplace(checkpoint, make_executor("cpu", o.threads),
                    SessionOptions{.n_context = o.context,
                                   .chunk = o.chunk,
                                   .cache_type = find_cache_type(o.cache_type),
                                   .tile_batch = o.tile_batch});
  }));
  rows.push_back(measure_step("encoding", [&] { session->attach_image(source); }));
  if (o.release) rows.push_back(measure_step("released", [&] { session->release_vision(); }));
  rows.push_back(measure_step("prefill", [&] {
    session->append("what is in the picture?");
    const int room = session->n_context() - session->n_past() - o.n_generate;
    if (room > 0) session->append_ids(noise_ids(*checkpoint, std::min(o.tokens, room)));
  }));
  rows.push_back(measure_step(
      "decode", [&] { session->generate({.max_new_tokens = o.n_generate, .sampling = {}, .ignore_end = true}); }));
  print_bench("memory", o, {"point", "file_MB", "anonymous_MB", "resident_MB", "peak_MB"}, rows,
              {{"release_vision", o.release}, {"cache_MB", megabytes(session->cache_bytes())}});
}

// ---- load
// ------------------------------------------------------------------------------------------------------------------

struct LoadOptions : BenchOptions {
  std::vector<std::string> parallel = {"off", "on"}, caches = {"warm"};
};

struct LoadSamples {
  Samples open, pages, first_token;
};

void measure_load(const LoadOptions& o, bool parallel, bool cold, LoadSamples& samples) {
  if (cold) drop_file_cache(o.files);
  Stopwatch clock;
  auto checkpoint = load_for_bench(o);
  samples.open.push_back(clock.elapsed_ms());
  preload(*checkpoint, parallel);
  samples.pages.push_back(clock.elapsed_ms());
  Session session(checkpoint, make_executor("cpu", o.threads), {.n_context = 16});
  session.append_ids(noise_ids(*checkpoint, 1));
  samples.first_token.push_back(clock.elapsed_ms());
}

void run_load(const LoadOptions& o) {
  Json rows = Json::array();
  for (const std::string& cache : o.caches)
    for (const std::string& parallel : o.parallel) {
      LoadSamples samples;
      for (int repeat = 0; repeat < o.repeats; ++repeat) measure_load(o, parallel == "on", cache == "cold", samples);
      rows.push_back({{"cache", cache},
                      {"parallel", parallel},
                      {"open_ms", median(samples.open)},
                      {"pages_ms", median(samples.pages)},
                      {"first_token_ms", median(samples.first_token)}});
    }
  print_bench("load", o, {"cache", "parallel", "open_ms", "pages_ms", "first_token_ms"}, rows);
}

}  // namespace

void define_bench_memory(CLI::App& app) {
  auto o = std::make_shared<MemoryOptions>();
  add_bench_options(app, *o);
  add_bench_picture(app, o->picture);
  app.add_flag("--release,--release-vision", o->release, "free the vision network when the picture is encoded");
  app.add_option("--tokens", o->tokens, "prompt behind the picture, where the context has room for it")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("-n,--gen", o->n_generate, "tokens to generate")->check(CLI::Range(1, 1 << 20));
  app.add_option("-c,--ctx-size", o->context, "places in the cache; default: what the model allows, at most 4096");
  app.add_option("-b,--batch-size", o->chunk, "longest piece of prompt run at once")->check(CLI::Range(1, 65536));
  app.add_option("--cache-type", o->cache_type, "f32, f16 or q8_0");
  app.add_option("--tile-batch", o->tile_batch, "tiles that run together; 0 = all of a view")
      ->check(CLI::Range(0, 1024));
  app.callback([o] { run_memory(*o); });
}

void define_bench_load(CLI::App& app) {
  auto o = std::make_shared<LoadOptions>();
  add_bench_options(app, *o);
  app.add_option("--parallel", o->parallel,
                 "read the pages of vision and text on two threads: on, off, or both: off,on")
      ->delimiter(',')
      ->check(CLI::IsMember({"on", "off"}));
  app.add_option("--cache", o->caches, "what the system holds of the files before: warm, cold, or both: warm,cold")
      ->delimiter(',')
      ->check(CLI::IsMember({"warm", "cold"}));
  app.callback([o] { run_load(*o); });
}

}  // namespace galago::cli
