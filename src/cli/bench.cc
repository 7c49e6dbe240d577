// galago bench MODEL: medians of repeated runs, executors taken in turns so that noise of the machine hits both alike;
// beside decoding stands what merely reading the weights once a token would allow, measured in the same run.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/thread_pool.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "runtime/graphs.h"
#include "runtime/session.h"

namespace galago::cli {
namespace {

struct Options {
  ModelFiles files;
  std::vector<int> prompts = {128, 512, 2048}, depths = {0};
  std::vector<std::string> images, executors = {"cpu"};
  int n_generate = 32, repeats = 5, threads = 0;
  bool json = false;
};

using Samples = std::vector<double>;

double median(Samples samples) {
  std::sort(samples.begin(), samples.end());
  size_t n = samples.size();
  return n == 0 ? 0 : n % 2 ? samples[n / 2] : (samples[n / 2 - 1] + samples[n / 2]) / 2;
}

size_t weight_bytes(const Checkpoint& checkpoint) {
  size_t n = 0;
  for (const auto& [name, weight] : checkpoint.weights) n += weight->data.n_bytes();
  return n;
}

// Weights that one decoded token reads: what the ops of a one-token graph multiply with; of tables it reads one row.
size_t decode_bytes(const Checkpoint& checkpoint) {
  auto graph = sequence_graph(*checkpoint.model, checkpoint.weights, 1, 0, 1);
  std::set<const Weight*> read;
  for (const Node& node : graph->nodes())
    for (Value input : node.inputs)
      if (node.op != Op::Gather && graph->node(input).weight) read.insert(graph->node(input).weight.get());
  size_t n = 0;
  for (const Weight* weight : read) n += weight->data.n_bytes();
  return n;
}

// Seconds to read `n` bytes once by all threads, the buffer warm as the weights of a running model are.
double read_seconds(size_t n, ThreadPool& pool) {
  constexpr int64_t kLanes = 32;  // independent sums: one chain of additions would be slower than the memory
  int64_t groups = std::max<int64_t>(static_cast<int64_t>(n / (8 * kLanes)), 1);
  std::vector<uint64_t> buffer(static_cast<size_t>(groups * kLanes), 1);
  std::atomic<uint64_t> sink{0};
  Samples samples;
  for (int i = 0; i < 25; ++i) {
    Stopwatch clock;
    pool.parallel_for(groups, 64, [&](int64_t begin, int64_t end) {
      uint64_t sums[kLanes] = {};
      for (int64_t group = begin; group < end; ++group)
        for (int64_t lane = 0; lane < kLanes; ++lane) sums[lane] ^= buffer[static_cast<size_t>(group * kLanes + lane)];
      for (uint64_t sum : sums) sink.fetch_xor(sum, std::memory_order_relaxed);
    });
    samples.push_back(clock.elapsed_ms() / 1000);
  }
  return median(samples);
}

Image noise_picture(int width, int height) {
  Image image = make_image(width, height);
  Rng rng(1);
  for (uint8_t& value : image.rgb) value = static_cast<uint8_t>(rng.below(256));
  return image;
}

// One executor under test with its samples, in the same order as `rows`.
struct Contestant {
  std::string name;
  std::unique_ptr<Session> session;
};

struct Row {
  std::string what, unit;
  std::function<double(Session&)> measure;
  double limit = 0;                   // same unit; 0 = none measured
  std::vector<Samples> samples = {};  // one an executor
};

class Bench {
 public:
  explicit Bench(const Options& o) : o_(o) {
    Stopwatch clock;
    checkpoint_ = std::make_shared<Checkpoint>(load_checkpoint(o.files));
    load_ms_ = clock.elapsed_ms();
    for (const std::string& name : o.executors)
      contestants_.push_back({name, std::make_unique<Session>(checkpoint_, make_executor(name, o.threads))});
    add_pictures();
    add_prompts();
    add_decoding();
  }

  void run() {
    Progress progress("measuring");
    for (int repeat = -1; repeat < o_.repeats;
         ++repeat)  // the first round warms up: programs compile, weights are packed
      for (Row& row : rows_)
        for (size_t i = 0; i < contestants_.size(); ++i) {
          contestants_[i].session->reset();
          double value = row.measure(*contestants_[i].session);
          row.samples.resize(contestants_.size());
          if (repeat >= 0) row.samples[i].push_back(value);
          progress.show(repeat + 1, o_.repeats, row.what);
        }
  }

  void print() const { o_.json ? print_object() : print_text(); }

 private:
  int context() const { return contestants_[0].session->n_context(); }

  std::vector<int32_t> random_ids(int n) const {
    Rng rng(7);
    std::vector<int32_t> ids(static_cast<size_t>(n));
    for (int32_t& id : ids) id = static_cast<int32_t>(rng.below(checkpoint_->tokenizer->vocab_size()));
    return ids;
  }

  void add_pictures() {
    if (checkpoint_->model->pictures().policy.empty()) return;
    std::vector<std::string> sizes = o_.images;
    int side = checkpoint_->model->pictures().slice.tile;
    if (sizes.empty()) sizes.push_back(fmt::format("{}x{}", side, side));
    for (const std::string& size : sizes) {
      auto [width, height] = parse_size(size);
      auto image = std::make_shared<Image>(noise_picture(width, height));
      rows_.push_back({"picture " + size, "ms", [image](Session& session) {
                         session.attach_image(*image);
                         return session.timings().prepare + session.timings().encode;
                       }});
    }
  }

  void add_prompts() {
    for (int n : o_.prompts) {
      if (n > context()) {
        note(fmt::format("prompt {}: longer than the model's context of {}, left out", n, context()));
        continue;
      }
      rows_.push_back({fmt::format("prompt {}", n), "tok/s", [this, n](Session& session) {
                         session.append_ids(random_ids(n));
                         return n * 1000.0 / session.timings().prefill;
                       }});
    }
  }

  void add_decoding() {
    ThreadPool pool(o_.threads);
    double limit = 1 / read_seconds(decode_bytes(*checkpoint_), pool);
    for (int depth : o_.depths) {
      int n = o_.n_generate;
      if (std::max(depth, 1) + n > context()) {
        note(fmt::format("generate {} at {}: longer than the model's context of {}, left out", n, depth, context()));
        continue;
      }
      rows_.push_back({fmt::format("generate {} at {}", n, depth), "tok/s",
                       [this, n, depth](Session& session) {
                         session.append_ids(random_ids(std::max(depth, 1)));
                         session.generate({.max_new_tokens = n, .sampling = {}, .ignore_end = true});
                         return n * 1000.0 / session.timings().generate;
                       },
                       limit});
    }
  }

  // How many times faster the first executor is than executor i: the median of the ratios of neighbouring runs.
  double speedup(const Row& row, size_t i) const {
    Samples ratios;
    for (size_t k = 0; k < row.samples[0].size(); ++k) {
      double ratio = row.samples[0][k] / row.samples[i][k];
      ratios.push_back(row.unit == "ms" ? 1 / ratio : ratio);
    }
    return median(ratios);
  }

  void print_text() const {
    std::vector<std::vector<std::string>> table{{"what", "unit"}};
    for (const Contestant& c : contestants_) table[0].push_back(c.name);
    if (contestants_.size() > 1) table[0].push_back("speedup");
    table[0].push_back("share of reading the weights once");
    for (const Row& row : rows_) {
      std::vector<std::string> line{row.what, row.unit};
      for (const Samples& samples : row.samples) line.push_back(fmt::format("{:.1f}", median(samples)));
      if (contestants_.size() > 1) line.push_back(fmt::format("{:.2f}x", speedup(row, 1)));
      line.push_back(
          row.limit > 0 ? fmt::format("{:.0f} % of {:.0f}", 100 * median(row.samples[0]) / row.limit, row.limit) : "");
      table.push_back(std::move(line));
    }
    print_table(table);
    fmt::print("load {:.1f} ms, weights {:.2f} MB, cache {:.2f} MB, peak memory {:.0f} MB{}\n", load_ms_,
               static_cast<double>(weight_bytes(*checkpoint_)) / 1e6,
               static_cast<double>(contestants_[0].session->cache_bytes()) / 1e6, peak_memory_mb(),
               contestants_.size() > 1 ? " (all executors together)" : "");
  }

  void print_object() const {
    Json rows = Json::array();
    for (const Row& row : rows_) {
      Json values = Json::object();
      for (size_t i = 0; i < contestants_.size(); ++i) values[contestants_[i].name] = median(row.samples[i]);
      Json object{{"what", row.what}, {"unit", row.unit}, {"median", values}};
      if (contestants_.size() > 1) object["speedup"] = speedup(row, 1);
      if (row.limit > 0) object["limit"] = row.limit;
      rows.push_back(object);
    }
    print_json({{"model", o_.files.model},
                {"repeats", o_.repeats},
                {"load_ms", load_ms_},
                {"rows", rows},
                {"weight_bytes", weight_bytes(*checkpoint_)},
                {"peak_memory_mb", peak_memory_mb()}});
  }

  Options o_;
  std::shared_ptr<Checkpoint> checkpoint_;
  double load_ms_ = 0;
  std::vector<Contestant> contestants_;
  std::vector<Row> rows_;
};

}  // namespace

void define_bench(CLI::App& app) {
  auto o = std::make_shared<Options>();
  add_model_options(app, o->files);
  app.add_option("-p,--prompt", o->prompts, "prompt lengths in tokens")->delimiter(',')->check(CLI::Range(1, 1 << 20));
  app.add_option("-n,--gen", o->n_generate, "tokens to generate")->check(CLI::Range(1, 1 << 20));
  app.add_option("--depth", o->depths, "tokens already in the cache")->delimiter(',')->check(CLI::Range(0, 1 << 20));
  app.add_option("--image", o->images, "picture sizes, WIDTHxHEIGHT; default: one tile")->delimiter(',');
  app.add_option("--executor", o->executors, "cpu, torch, or both in turns: cpu,torch")->delimiter(',');
  app.add_option("-r,--repeats", o->repeats, "runs of each; the median counts")->check(CLI::Range(1, 1000));
  app.add_option("-t,--threads", o->threads, "threads; default: one per processor")->check(CLI::Range(0, 1024));
  app.add_flag("--json", o->json, "one JSON object");
  app.callback([o] {
    Bench bench(*o);
    bench.run();
    bench.print();
  });
}

}  // namespace galago::cli
