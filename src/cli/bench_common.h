// What the benches share: options, samples and their medians, made-up inputs, and one way to print.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/model_options.h"
#include "image/image.h"
#include "runtime/picture_encoder.h"

namespace galago::cli {

struct BenchOptions {
  ModelFiles files;
  int threads = 0, repeats = 5;
  bool json = false;
};
CLI::Option* add_bench_options(CLI::App& app, BenchOptions& o);  // MODEL

std::shared_ptr<Checkpoint> load_for_bench(const BenchOptions& o);

using Samples = std::vector<double>;
double median(Samples samples);  // 0 without samples

// Noise from a fixed seed: a picture, and ids of a prompt.
Image noise_picture(int width, int height);
std::vector<int32_t> noise_ids(const Checkpoint& checkpoint, int n);

// Either the picture in `path`, or noise: `grid` tiles ("2x4": two wide, four high), or one tile.
struct BenchPicture {
  std::string path, grid;
};
void add_bench_picture(CLI::App& app, BenchPicture& picture);
PictureSource bench_picture(const BenchPicture& picture, const Checkpoint& checkpoint);  // throws InvalidInput

double megabytes(size_t bytes);

// Rows with these fields as a table, or everything as one object: bench, model, machine, threads, `facts` and the rows.
void print_bench(std::string_view bench, const BenchOptions& o, const std::vector<std::string>& fields,
                 const Json& rows, const Json& facts = Json::object());

}  // namespace galago::cli
