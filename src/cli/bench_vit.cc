// galago bench vit-batch and vit-pipeline: the vision network in groups of tiles, and behind a helper that prepares
// them; the two measurements of BlueLM-V-3B (arXiv 2411.10640) for its batched and pipelined encoding.
#include <numeric>

#include "base/clock.h"
#include "base/rng.h"
#include "cli/bench_common.h"
#include "runtime/pipeline_times.h"

namespace galago::cli {
namespace {

// ---- vit-batch
// -------------------------------------------------------------------------------------------------------------

struct BatchOptions : BenchOptions {
  int tiles = 9;
  std::vector<int> batches = {1, 2, 4, 6, 9};
};

PreparedPicture noise_tiles(const PictureSpec& spec, int n) {
  const int side = spec.slice.tile;
  SlicePlan plan{.views = {{.width = n * side, .height = side, .cols = n}}};
  Tensor tiles = Tensor::make(DType::F32, {n, 3, side, side});
  Rng rng(1);
  for (float& value : tiles.f32()) value = static_cast<float>(2 * rng.uniform() - 1);
  return {std::move(plan), {std::move(tiles)}};
}

struct BatchRow {
  int batch;
  PictureEncoder encoder;
  Samples ms = {};
};

// In turns, so that noise of the machine hits all alike; the first round compiles and packs.
void measure(std::vector<BatchRow>& rows, const PreparedPicture& tiles, int repeats) {
  for (int repeat = -1; repeat < repeats; ++repeat)
    for (BatchRow& row : rows) {
      const double ms = row.encoder.encode(tiles).encode_ms;
      if (repeat >= 0) row.ms.push_back(ms);
    }
}

void run_batches(const BatchOptions& o) {
  auto checkpoint = load_for_bench(o);
  bench_picture({}, *checkpoint);  // throws if there are no pictures
  std::shared_ptr<Executor> executor = make_executor("cpu", o.threads);
  std::vector<BatchRow> rows;
  for (int batch : o.batches)
    if (batch <= o.tiles) rows.push_back({batch, PictureEncoder(checkpoint, executor, nullptr, {.tile_batch = batch})});
  measure(rows, noise_tiles(checkpoint->model->pictures(), o.tiles), o.repeats);
  Json out = Json::array();
  const BatchRow* best = nullptr;
  for (const BatchRow& row : rows) {
    if (!best || median(row.ms) < median(best->ms)) best = &row;
    out.push_back({{"batch", row.batch},
                   {"ms", median(row.ms)},
                   {"ms_per_tile", median(row.ms) / o.tiles},
                   {"activation_MB", megabytes(row.encoder.activation_bytes())}});
  }
  Json facts{{"tiles", o.tiles}, {"peak_memory_mb", peak_memory_mb()}};
  if (best) facts["fastest_batch"] = best->batch;
  print_bench("vit-batch", o, {"batch", "ms", "ms_per_tile", "activation_MB"}, out, facts);
}

// ---- vit-pipeline
// ----------------------------------------------------------------------------------------------------------

struct PipelineOptions : BenchOptions {
  BenchPicture picture;
  std::string mode = "both";
  int tile_batch = 1;
};

struct PipelineRow {
  std::string mode;
  PictureEncoder encoder;
  Samples wall = {}, prepare = {}, encode = {}, formula = {};
};

double total(const std::vector<double>& times) { return std::accumulate(times.begin(), times.end(), 0.0); }

void measure(PipelineRow& row, const PictureSource& source, bool counts) {
  Stopwatch clock;
  PendingPicture picture;
  row.encoder.fill(picture, source);
  const StageTimes& stages = picture.finished().stages;
  const double wall = clock.elapsed_ms();
  if (!counts) return;
  row.wall.push_back(wall);
  row.prepare.push_back(total(stages.prepare));
  row.encode.push_back(total(stages.encode));
  row.formula.push_back(row.mode == "serial" ? serial_time(stages.prepare, stages.encode)
                                             : pipelined_time(stages.prepare, stages.encode, kPreparedGroups));
}

Json to_json(const PipelineRow& row) {
  const double wall = median(row.wall), busy = median(row.prepare) + median(row.encode);
  return {
      {"mode", row.mode}, {"prepare_ms", median(row.prepare)}, {"encode_ms", median(row.encode)},
      {"wall_ms", wall},  {"formula_ms", median(row.formula)}, {"overlap_%", busy > 0 ? 100 * (1 - wall / busy) : 0.0}};
}

void run_pipeline(const PipelineOptions& o) {
  auto checkpoint = load_for_bench(o);
  const PictureSource source = bench_picture(o.picture, *checkpoint);
  std::shared_ptr<Executor> executor = make_executor("cpu", o.threads);
  std::vector<PipelineRow> rows;
  for (bool pipelined : {false, true}) {
    const char* mode = pipelined ? "pipelined" : "serial";
    const EncoderOptions encoding{.tile_batch = o.tile_batch, .pipelined = pipelined};
    if (o.mode == "both" || o.mode == mode)
      rows.push_back({mode, PictureEncoder(checkpoint, executor, nullptr, encoding)});
  }
  for (int repeat = -1; repeat < o.repeats; ++repeat)
    for (PipelineRow& row : rows) measure(row, source, repeat >= 0);
  Json out = Json::array();
  for (const PipelineRow& row : rows) out.push_back(to_json(row));
  print_bench("vit-pipeline", o, {"mode", "prepare_ms", "encode_ms", "wall_ms", "formula_ms", "overlap_%"}, out,
              {{"tile_batch", o.tile_batch}});
}

}  // namespace

void define_bench_vit_batch(CLI::App& app) {
  auto o = std::make_shared<BatchOptions>();
  add_bench_options(app, *o);
  app.add_option("--tiles", o->tiles, "tiles of the picture")->check(CLI::Range(1, 1024));
  app.add_option("--batch", o->batches, "how many run together")->delimiter(',')->check(CLI::Range(1, 1024));
  app.callback([o] { run_batches(*o); });
}

void define_bench_vit_pipeline(CLI::App& app) {
  auto o = std::make_shared<PipelineOptions>();
  add_bench_options(app, *o);
  add_bench_picture(app, o->picture);
  app.add_option("--mode", o->mode, "serial, pipelined, or both in turns")
      ->check(CLI::IsMember({"serial", "pipelined", "both"}));
  app.add_option("--tile-batch", o->tile_batch, "tiles that run together")->check(CLI::Range(0, 1024));
  app.callback([o] { run_pipeline(*o); });
}

}  // namespace galago::cli
