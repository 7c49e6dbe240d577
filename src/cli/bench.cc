// galago bench MODEL: medians of repeated runs, executors taken in turns so that noise of the machine hits both alike;
// beside each stands the machine's own limit, measured in the same rounds: for decoding what merely reading the same
// bytes once a token would allow, for prompts and pictures what the arithmetic of the products would take over
// registers. The other benches are rows of bench_commands.def.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/clock.h"
#include "base/error.h"
#include "base/progress.h"
#include "cli/bench_common.h"
#include "cli/run_options.h"
#include "cpu/peak.h"
#include "runtime/estimate.h"
#include "runtime/machine_probe.h"
#include "runtime/memory_use.h"
#include "runtime/session.h"

namespace galago::cli {

#define BENCH(name, summary, example) void define_bench_##name(CLI::App& app);
#include "cli/bench_commands.def"
#undef BENCH

namespace {

struct Options : BenchOptions {
  std::vector<int> prompts = {128, 512, 2048}, depths = {0};
  std::vector<std::string> images, executors = {"cpu"};
  int n_generate = 32;
  std::string key_type = "f16", value_type;
};

// One executor under test.
struct Contestant {
  std::string name;
  std::unique_ptr<Session> session;
};

// A number that a run leaves behind, with its samples in the order of the contestants.
struct Row {
  std::string what, unit;
  std::function<double(const Session&)> read;
  std::function<double()> limit = {};  // of this value, as the machine is now; empty: none is known
  std::vector<Samples> samples = {};
  Samples limits = {};
};

struct Run {
  std::string what;
  std::function<void(Session&)> act;
  std::vector<Row> rows;
};

class Bench {
 public:
  explicit Bench(const Options& o) : o_(o), pool_(o.threads) {
    Stopwatch clock;
    checkpoint_ = load_for_bench(o);
    load_ms_ = clock.elapsed_ms();
    cache_ = cache_types(o.key_type, o.value_type);
    const SessionOptions session{.cache_type = cache_.key, .value_type = cache_.value};
    for (const std::string& name : o.executors)
      contestants_.push_back({name, std::make_unique<Session>(checkpoint_, make_executor(name, o.threads), session)});
    add_pictures();
    add_prompts();
    add_decoding();
    for (Run& run : runs_)
      for (Row& row : run.rows) row.samples.resize(contestants_.size());
  }

  // The first round warms up: programs compile, weights are packed.
  void run() {
    Progress progress("measuring");
    for (int repeat = -1; repeat < o_.repeats; ++repeat)
      for (Run& run : runs_) {
        for (size_t i = 0; i < contestants_.size(); ++i) measure(run, i, repeat >= 0);
        for (Row& row : run.rows)
          if (row.limit && repeat >= 0) row.limits.push_back(row.limit());
        progress.show(repeat + 1, o_.repeats, run.what);
      }
  }

  void print() const { o_.json ? print_object() : print_text(); }

 private:
  int context() const { return contestants_[0].session->n_context(); }

  void measure(Run& run, size_t contestant, bool counts) {
    Session& session = *contestants_[contestant].session;
    session.reset();
    run.act(session);
    if (!counts) return;
    for (Row& row : run.rows) row.samples[contestant].push_back(row.read(session));
  }

  // ---- what is measured

  void add_pictures() {
    const PictureSpec spec = checkpoint_->model->pictures();
    if (spec.policy.empty()) return;
    std::vector<std::string> sizes = o_.images;
    if (sizes.empty()) sizes.push_back(fmt::format("{}x{}", spec.slice.tile, spec.slice.tile));
    for (const std::string& size : sizes) add_picture(size, spec);
  }

  void add_picture(const std::string& size, const PictureSpec& spec) {
    auto [width, height] = parse_size(size);
    auto image = std::make_shared<Image>(noise_picture(width, height));
    const SlicePlan plan = find_slicing_policy(spec.policy).plan(width, height, spec.slice);
    const int n = plan.n_tiles();
    auto encode = [](const Session& s) { return s.timings().encode; };
    auto all = [](const Session& s) { return s.timings().prepare + s.timings().encode + s.timings().prefill; };
    constexpr int kQuestion = 64;  // places that a short question needs in any family's prompt
    const bool fits = n * spec.tokens_per_tile + kQuestion <= context();
    Run run{"picture " + size, [image, fits](Session& session) {
              session.attach_image(*image);
              if (fits) session.append("what is in the picture?");
            }};
    run.rows.push_back({run.what + ", prepare", "ms", [](const Session& s) { return s.timings().prepare; }});
    run.rows.push_back({fmt::format("{}, {} tiles", run.what, n), "ms", encode,
                        [this, work = picture_operations(*checkpoint_, plan)] { return 1000 * seconds(work); }});
    if (n > 1) run.rows.push_back({run.what + ", a tile", "ms", [=](const Session& s) { return encode(s) / n; }});
    if (fits) run.rows.push_back({run.what + ", first token", "ms", all});
    if (!fits) note(fmt::format("{}: does not fit the context of {}, encoded only", run.what, context()));
    runs_.push_back(std::move(run));
  }

  void add_prompts() {
    for (int n : o_.prompts) {
      if (n > context()) {
        note(fmt::format("prompt {}: longer than the model's context of {}, left out", n, context()));
        continue;
      }
      Run run{fmt::format("prompt {}", n), [ids = noise_ids(*checkpoint_, n)](Session& s) { s.append_ids(ids); }};
      run.rows.push_back({run.what, "tok/s", [n](const Session& s) { return n * 1000.0 / s.timings().prefill; },
                          [this, n, work = prompt_operations(*checkpoint_, n)] { return n / seconds(work); }});
      runs_.push_back(std::move(run));
    }
  }

  void add_decoding() {
    const DecodeBytes bytes = decode_bytes(*checkpoint_, cache_);
    const int n = o_.n_generate;
    for (int depth : o_.depths) {
      const int begin = std::max(depth, 1);
      if (begin + n > context()) {
        note(fmt::format("generate {} at {}: longer than the model's context of {}, left out", n, depth, context()));
        continue;
      }
      Run run{fmt::format("generate {} at {}", n, depth), [ids = noise_ids(*checkpoint_, begin), n](Session& s) {
                s.append_ids(ids);
                s.generate({.max_new_tokens = n, .sampling = {}, .ignore_end = true});
              }};
      run.rows.push_back({run.what, "tok/s", [n](const Session& s) { return n * 1000.0 / s.timings().generate; },
                          [this, read = bytes.at(begin + n / 2.0)] { return probe_->bytes_per_second() / read; }});
      runs_.push_back(std::move(run));
    }
    if (!o_.depths.empty()) probe_ = std::make_unique<ReadProbe>(static_cast<size_t>(bytes.weights), o_.threads);
  }

  // Of the arithmetic alone, at the rates that the processor has over registers just now.
  double seconds(const Operations& work) {
    const cpu::PeakRates peaks = cpu::measure_peaks(pool_);
    return (work.floats / peaks.floats + work.bytes / peaks.bytes + work.bf16 / peaks.bf16) * 1e-9;
  }

  // ---- what it comes to

  // How many times faster the first executor is than executor i: the median of the ratios of neighbouring runs.
  double speedup(const Row& row, size_t i) const {
    Samples ratios;
    for (size_t k = 0; k < row.samples[0].size(); ++k) {
      double ratio = row.samples[0][k] / row.samples[i][k];
      ratios.push_back(row.unit == "ms" ? 1 / ratio : ratio);
    }
    return median(ratios);
  }

  // The median of the shares of neighbouring measurements: the machine's memory is faster in one minute than in the
  // next.
  double share(const Row& row) const {
    Samples shares;
    for (size_t k = 0; k < row.limits.size(); ++k) {
      const double share = row.samples[0][k] / row.limits[k];
      shares.push_back(row.unit == "ms" ? 1 / share : share);
    }
    return median(shares);
  }

  // The buffer of the probe is resident all the time and not the model's.
  double peak_mb() const {
    return peak_memory_mb() - (probe_ ? static_cast<double>(probe_->buffer_bytes()) / (1 << 20) : 0);
  }

  void print_text() const {
    std::vector<std::vector<std::string>> table{{"what", "unit"}};
    for (const Contestant& c : contestants_) table[0].push_back(c.name);
    if (contestants_.size() > 1) table[0].push_back("speedup");
    table[0].push_back("share of the machine's limit");
    for (const Run& run : runs_)
      for (const Row& row : run.rows) table.push_back(line(row));
    print_table(table);
    fmt::print("load {:.1f} ms, weights {:.2f} MB, cache {:.2f} MB, peak memory {:.0f} MB{}\n", load_ms_,
               megabytes(weight_bytes()), megabytes(contestants_[0].session->cache_bytes()), peak_mb(),
               contestants_.size() > 1 ? " (all executors together)" : "");
  }

  std::vector<std::string> line(const Row& row) const {
    std::vector<std::string> cells{row.what, row.unit};
    for (const Samples& samples : row.samples) cells.push_back(fmt::format("{:.1f}", median(samples)));
    if (contestants_.size() > 1) cells.push_back(fmt::format("{:.2f}x", speedup(row, 1)));
    const double limit = median(row.limits);
    cells.push_back(limit > 0 ? fmt::format("{:.0f} % of {:.1f}", 100 * share(row), limit) : "");
    return cells;
  }

  Json to_json(const Row& row) const {
    Json values = Json::object();
    for (size_t i = 0; i < contestants_.size(); ++i) values[contestants_[i].name] = median(row.samples[i]);
    Json object{{"what", row.what}, {"unit", row.unit}, {"median", values}};
    if (contestants_.size() > 1) object["speedup"] = speedup(row, 1);
    if (!row.limits.empty()) object.update({{"limit", median(row.limits)}, {"share", share(row)}});
    return object;
  }

  void print_object() const {
    Json rows = Json::array();
    for (const Run& run : runs_)
      for (const Row& row : run.rows) rows.push_back(to_json(row));
    print_json({{"model", o_.files.model},
                {"machine", machine_name()},
                {"repeats", o_.repeats},
                {"load_ms", load_ms_},
                {"rows", rows},
                {"weight_bytes", weight_bytes()},
                {"peak_memory_mb", peak_mb()}});
  }

  size_t weight_bytes() const {
    size_t n = 0;
    for (const auto& [name, weight] : checkpoint_->weights) n += weight->data.n_bytes();
    return n;
  }

  Options o_;
  ThreadPool pool_;  // of the probes of arithmetic
  std::shared_ptr<Checkpoint> checkpoint_;
  CacheTypes cache_;
  double load_ms_ = 0;
  std::vector<Contestant> contestants_;
  std::vector<Run> runs_;
  std::unique_ptr<ReadProbe> probe_;  // null: nothing is decoded
};

void define_plain(CLI::App& app, CLI::Option* model, const std::shared_ptr<Options>& o) {
  app.add_option("-p,--prompt", o->prompts, "prompt lengths in tokens")->delimiter(',')->check(CLI::Range(1, 1 << 20));
  app.add_option("-n,--gen", o->n_generate, "tokens to generate")->check(CLI::Range(1, 1 << 20));
  app.add_option("--depth", o->depths, "tokens already in the cache")->delimiter(',')->check(CLI::Range(0, 1 << 20));
  app.add_option("--image", o->images, "picture sizes, WIDTHxHEIGHT; default: one tile")->delimiter(',');
  add_cache_types(app, o->key_type, o->value_type);
  app.add_option("--executor", o->executors, "cpu, torch, or both in turns: cpu,torch")->delimiter(',');
  model->required(false);  // the other benches have a MODEL of their own
  app.callback([&app, o] {
    if (!app.get_subcommands().empty()) return;
    if (o->files.model.empty()) throw usage_error("bench: MODEL is missing; `galago help bench` shows an example");
    Bench bench(*o);
    bench.run();
    bench.print();
  });
}

// --quiet and --debug belong to the command and come through from a bench; nothing else may.
void refuse_plain_options(const CLI::App& app) {
  if (app.get_subcommands().empty()) return;
  for (const CLI::Option* option : app.get_options())
    if (option->count() > 0 && option->get_name() != "--quiet" && option->get_name() != "--debug")
      throw usage_error("bench {}: there is no option {} here", app.get_subcommands()[0]->get_name(),
                        option->get_name());
}

}  // namespace

void define_bench(CLI::App& app) {
  auto o = std::make_shared<Options>();
  app.parse_complete_callback([&app] { refuse_plain_options(app); });
  define_plain(app, add_bench_options(app, *o), o);
  auto add = [&](const char* name, const char* summary, const char* example, void (*define)(CLI::App&)) {
    CLI::App* bench = app.add_subcommand(spelled(name), summary);
    bench->footer(std::string("Example:\n  ") + example);
    bench->fallthrough();
    define(*bench);
  };
#define BENCH(name, summary, example) add(#name, summary, example, define_bench_##name);
#include "cli/bench_commands.def"
#undef BENCH
}

}  // namespace galago::cli
