// galago parity MODEL: how far apart the two executors are, and how far each number format is from float32, for every
// named value of one forward pass. Error: max |a - b|, and that over max |b|; b is the reference.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "cpu/executor.h"
#include "quant/quantize.h"
#include "runtime/checkpoint.h"
#include "runtime/trace.h"
#include "torch/executor.h"

namespace galago::cli {
namespace {

struct Options {
  ModelFiles files;
  std::string prompt = "there is", image, names = "*";
  std::vector<std::string> types = {"q8_0", "q4_k"};
  int threads = 0;
  bool json = false;
};

struct Difference {
  double absolute = 0, relative = 0;
};

struct Comparison {
  std::string name;       // "torch", "scalar", "q8_0"
  std::string reference;  // what it is compared with
  std::map<std::string, Difference> values;
};

Difference difference(const Tensor& a, const Tensor& b) {
  Tensor x = to_f32(a), y = to_f32(b);
  double worst = 0, size = 0;
  for (int64_t i = 0; i < x.elements(); ++i) {
    double u = x.f32()[static_cast<size_t>(i)], v = y.f32()[static_cast<size_t>(i)];
    double distance = std::fabs(u - v);
    worst = std::isnan(distance) ? INFINITY : std::max(worst, distance);
    size = std::max(size, std::fabs(v));
  }
  return {worst, size > 0 ? worst / size : worst};
}

Comparison compare(std::string name, std::string reference, const Trace& a, const Trace& b) {
  Comparison result{std::move(name), std::move(reference), {}};
  for (auto& [value, tensor] : a) result.values[value] = difference(tensor, b.at(value));
  return result;
}

std::pair<std::string, Difference> worst(const Comparison& comparison) {
  return *std::max_element(comparison.values.begin(), comparison.values.end(),
                           [](auto& a, auto& b) { return a.second.relative < b.second.relative; });
}

// A picture with something in each channel and direction, for when none is given.
Image gradient() {
  Image image = make_image(256, 192);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x) {
      uint8_t* pixel = image.pixel(x, y);
      pixel[0] = static_cast<uint8_t>(x);
      pixel[1] = static_cast<uint8_t>(y * 255 / image.height);
      pixel[2] = static_cast<uint8_t>((x + y) * 7 & 255);
    }
  return image;
}

TraceInput make_input(const Options& o, const Checkpoint& checkpoint) {
  std::vector<Image> pictures{o.image.empty() ? gradient() : load_image(o.image)};
  constexpr int32_t kSomeIds[] = {1, 2, 3, 4};
  if (!checkpoint.tokenizer) return trace_input(*checkpoint.model, kSomeIds, pictures);
  return trace_input(*checkpoint.model, *checkpoint.tokenizer, o.prompt, pictures);
}

Weights decoded(const Weights& weights) {
  Weights result;
  for (auto& [name, weight] : weights) result[name] = std::make_shared<Weight>(Weight{name, to_f32(weight->data)});
  return result;
}

std::vector<Comparison> compare_all(const Options& o, const Checkpoint& checkpoint, const TraceInput& input) {
  auto pool = std::make_shared<ThreadPool>(o.threads);
  auto trace_of = [&](const Model& model, const Weights& weights, std::unique_ptr<Executor> executor) {
    return run_trace(model, weights, *executor, input, o.names);
  };
  auto trace = [&](const Weights& weights, std::unique_ptr<Executor> executor) {
    return trace_of(*checkpoint.model, weights, std::move(executor));
  };
  const Weights& stored = checkpoint.weights;
  Trace fast = trace(stored, cpu::make_executor(pool));
  std::vector<Comparison> all;
  all.push_back(compare("cpu", "torch", fast, trace(stored, torch_backend::make_executor())));
  all.push_back(compare("cpu", "cpu scalar", fast, trace(stored, cpu::make_executor(pool, cpu::Mode::Scalar))));
  Weights plain = decoded(stored);
  Trace exact = trace(plain, cpu::make_executor(pool));
  for (const std::string& type : o.types) {
    Quantized q = quantize(checkpoint.model, plain, find_quant_recipe(type), pool.get());
    all.push_back(compare(type, "f32", trace_of(*q.model, q.weights, cpu::make_executor(pool)), exact));
  }
  return all;
}

Json to_json(const std::vector<Comparison>& all) {
  Json list = Json::array();
  for (const Comparison& c : all) {
    Json values = Json::object();
    for (auto& [name, d] : c.values) values[name] = {{"max_abs", d.absolute}, {"max_rel", d.relative}};
    auto [name, d] = worst(c);
    list.push_back({{"name", c.name},
                    {"reference", c.reference},
                    {"values", values},
                    {"worst", {{"name", name}, {"max_abs", d.absolute}, {"max_rel", d.relative}}}});
  }
  return list;
}

void print(const std::vector<Comparison>& all) {
  std::vector<std::vector<std::string>> rows{{"VALUE"}};
  for (const Comparison& c : all) rows[0].push_back(c.name + " : " + c.reference);
  for (auto& [name, unused] : all[0].values) {
    rows.push_back({name});
    for (const Comparison& c : all)
      rows.back().push_back(fmt::format("{:.1e} ({:.1e})", c.values.at(name).absolute, c.values.at(name).relative));
  }
  print_table(rows);
  fmt::print("\nmax |a - b| (and over max |b|). Worst:\n");
  for (const Comparison& c : all) {
    auto [name, d] = worst(c);
    fmt::print("  {} against {}: {:.2e} at {}\n", c.name, c.reference, d.relative, name);
  }
}

void run(const Options& o) {
  for (const std::string& type : o.types) find_quant_recipe(type);  // a wrong name should not cost a run
  Checkpoint checkpoint = load_checkpoint(o.files);
  TraceInput input = make_input(o, checkpoint);
  std::vector<Comparison> all = compare_all(o, checkpoint, input);
  if (!o.json) return print(all);
  print_json({{"model", o.files.model},
              {"family", checkpoint.model->family()},
              {"tokens", input.ids.size()},
              {"comparisons", to_json(all)}});
}

}  // namespace

void define_parity(CLI::App& app) {
  auto o = std::make_shared<Options>();
  add_model_options(app, o->files);
  app.add_option("--types", o->types, "number formats and mixes to compare with f32: q8_0,q4_k (default)")
      ->delimiter(',');
  app.add_option("--image", o->image, "a picture; otherwise a colour gradient");
  app.add_option("-p,--prompt", o->prompt, "the text");
  app.add_option("--names", o->names, "only values whose names match, for example 'text.*'");
  app.add_option("-t,--threads", o->threads, "0 = one per processor");
  app.add_flag("--json", o->json, "all numbers as one JSON object");
  app.callback([o] { run(*o); });
}

}  // namespace galago::cli
