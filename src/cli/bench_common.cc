#include "cli/bench_common.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/rng.h"
#include "image/image.h"
#include "runtime/machine_probe.h"

namespace galago::cli {
namespace {

std::string cell(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return fmt::format("{:.1f}", value.get<double>());
  return value.is_null() ? "" : value.dump();
}

std::string head(std::string field) {
  std::replace(field.begin(), field.end(), '_', ' ');
  return field;
}

void print_text(const std::vector<std::string>& fields, const Json& rows, const Json& facts) {
  std::vector<std::vector<std::string>> table(1);
  for (const std::string& field : fields) table[0].push_back(head(field));
  for (const Json& row : rows) {
    table.emplace_back();
    for (const std::string& field : fields) table.back().push_back(cell(row.value(field, Json())));
  }
  print_table(table);
  for (const auto& [name, value] : facts.items()) fmt::print("{}: {}\n", head(name), cell(value));
}

}  // namespace

CLI::Option* add_bench_options(CLI::App& app, BenchOptions& o) {
  CLI::Option* model = add_model_options(app, o.files);
  app.add_option("-r,--repeats", o.repeats, "runs of each; the median counts")->check(CLI::Range(1, 1000));
  app.add_option("-t,--threads", o.threads, "threads; default: one per processor")->check(CLI::Range(0, 1024));
  app.add_flag("--json", o.json, "one JSON object");
  return model;
}

std::shared_ptr<Checkpoint> load_for_bench(const BenchOptions& o) {
  return std::make_shared<Checkpoint>(load_checkpoint(o.files));
}

double median(Samples samples) {
  std::sort(samples.begin(), samples.end());
  size_t n = samples.size();
  return n == 0 ? 0 : n % 2 ? samples[n / 2] : (samples[n / 2 - 1] + samples[n / 2]) / 2;
}

Image noise_picture(int width, int height) {
  Image image = make_image(width, height);
  Rng rng(1);
  for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(rng.below(256));
  return image;
}

std::vector<int32_t> noise_ids(const Checkpoint& checkpoint, int n) {
  Rng rng(7);
  std::vector<int32_t> ids(static_cast<size_t>(n));
  for (int32_t& id : ids) id = static_cast<int32_t>(rng.below(checkpoint.tokenizer->vocab_size()));
  return ids;
}

void add_bench_picture(CLI::App& app, BenchPicture& picture) {
  CLI::Option* path = app.add_option("--image", picture.path, "a picture; default: noise of the size of one tile");
  app.add_option("--grid", picture.grid, "noise of COLUMNSxROWS tiles, for example 2x4")->excludes(path);
}

PictureSource bench_picture(const BenchPicture& picture, const Checkpoint& checkpoint) {
  const PictureSpec spec = checkpoint.model->pictures();
  if (spec.policy.empty()) throw invalid_input("{}: this model takes no pictures", checkpoint.path);
  if (!picture.path.empty()) return [path = picture.path] { return upright(load_image(path)); };
  auto [cols, rows] = picture.grid.empty() ? std::pair{1, 1} : parse_size(picture.grid);
  constexpr int kMaxTiles = 1024;
  if (int64_t{cols} * rows > kMaxTiles)
    throw usage_error("--grid {}: expected at most {} tiles", picture.grid, kMaxTiles);
  const Image noise = noise_picture(cols * spec.slice.tile, rows * spec.slice.tile);
  return [noise] { return noise; };
}

double megabytes(size_t bytes) { return static_cast<double>(bytes) / 1e6; }

void print_bench(std::string_view bench, const BenchOptions& o, const std::vector<std::string>& fields,
                 const Json& rows, const Json& facts) {
  if (!o.json) return print_text(fields, rows, facts);
  const int threads = o.threads > 0 ? o.threads : static_cast<int>(std::thread::hardware_concurrency());
  Json object{{"bench", bench},     {"model", o.files.model}, {"machine", machine_name()},
              {"threads", threads}, {"repeats", o.repeats},   {"rows", rows}};
  object.update(facts);
  print_json(object);
}

}  // namespace galago::cli
