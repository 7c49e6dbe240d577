#include "runtime/tuning.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "graph/builder.h"
#include "runtime/graphs.h"
#include "runtime/machine_probe.h"
#include "runtime/picture_cache.h"

namespace galago {
namespace {

namespace fs = std::filesystem;

constexpr int kChunks[] = {32, 64, 128, 256, 512, 1024};
constexpr int kTileBatches[] = {1, 2, 4, 6};
constexpr double kBudgetMs = 40;  // of one candidate, beyond its first run
constexpr double kAsGood = 1.03;
constexpr uint64_t kLongestFile = 1 << 20;

// A product that stands for the rest of a network: x [rows, k] times a weight.
struct Product {
  WeightRef weight;
  int64_t rows = 1;
};

double n_operations(const Graph& graph, const Node& node) {
  return static_cast<double>(node.shape.elements()) * static_cast<double>(graph.shape(node.inputs[0]).last());
}

// The largest product with a weight of a graph; no weight: there is none.
Product largest_product(const Graph& graph) {
  const Node* best = nullptr;
  for (const Node& node : graph.nodes()) {
    if (node.op != Op::Linear || !graph.node(node.inputs[1]).weight) continue;
    if (!best || n_operations(graph, node) > n_operations(graph, *best)) best = &node;
  }
  if (!best) return {};
  return {graph.node(best->inputs[1]).weight, graph.shape(best->inputs[0]).rows()};
}

// The blocks of the language model decide, not the output matrix, which a prompt needs only once.
Product text_product(const Checkpoint& checkpoint) {
  Product best;
  for (const auto& [name, weight] : checkpoint.weights)
    if (name.starts_with("text.blocks.") && weight->data.shape().rank() == 2)
      if (!best.weight || weight->data.elements() > best.weight->data.elements()) best.weight = weight;
  return best;
}

// One tile; no weight where the model takes no pictures.
Product vision_product(const Checkpoint& checkpoint) {
  const PictureSpec pictures = checkpoint.model->pictures();
  if (pictures.policy.empty()) return {};
  const int side = pictures.slice.tile;
  return largest_product(*encode_graph(*checkpoint.model, checkpoint.weights, {1, 3, side, side}));
}

double best_ms(Executor& executor, const WeightRef& weight, int64_t rows) {
  auto graph = std::make_shared<Graph>();
  Value x = graph->input("x", DType::F32, {rows, weight->data.shape().last()});
  graph->output(linear(*graph, x, graph->weight(weight)), "y");
  auto program = executor.compile(graph);
  std::ranges::fill(program->input("x").f32(), 0.5f);
  program->run();  // packs, and touches the memory
  Stopwatch all;
  double best = 1e300;
  do {
    Stopwatch clock;
    program->run();
    best = std::min(best, clock.elapsed_ms());
  } while (all.elapsed_ms() < kBudgetMs);
  return best;
}

// The first candidate that is nearly as good as the best.
template <class Candidates, class Cost>
int smallest_good(const Candidates& candidates, Cost cost) {
  std::vector<double> costs;
  for (int candidate : candidates) costs.push_back(cost(candidate));
  const double limit = kAsGood * *std::ranges::min_element(costs);
  const auto at = std::ranges::find_if(costs, [&](double c) { return c <= limit; }) - costs.begin();
  return candidates[static_cast<size_t>(at)];
}

std::vector<int> thread_counts() {
  const int n = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  std::vector<int> counts;
  for (int i = 1; i < n; i *= 2) counts.push_back(i);
  counts.push_back(n);
  return counts;
}

std::string key_of(const Checkpoint& checkpoint) {
  return fmt::format("{} x{} {}", machine_name(), std::thread::hardware_concurrency(),
                     to_hex(model_digest(checkpoint, DigestOf::Shapes)));
}

// Nothing where there is no file, or none that holds an object.
Json read_entries(const std::string& file) {
  if (!fs::is_regular_file(file) || fs::file_size(file) > kLongestFile) return Json::object();
  Json entries = Json::parse(read_file(file, kLongestFile), nullptr, false);
  return entries.is_object() ? entries : Json::object();
}

std::optional<int> integer(const Json& entry, const char* field, int least, int most) {
  if (!entry.is_object() || !entry.contains(field) || !entry[field].is_number_integer()) return std::nullopt;
  const auto value = entry[field].get<int64_t>();
  return value < least || value > most ? std::nullopt : std::optional(static_cast<int>(value));
}

}  // namespace

Tuning measure_tuning(const Checkpoint& checkpoint, const MakeExecutor& make_executor) {
  Tuning tuning;
  const Product text = text_product(checkpoint), vision = vision_product(checkpoint);
  if (text.weight) {
    // Answers need one row at a time, prompts many: a setting must be good for both.
    tuning.threads = smallest_good(thread_counts(), [&](int n) {
      auto executor = make_executor(n);
      return best_ms(*executor, text.weight, 1) * best_ms(*executor, text.weight, 128);
    });
  }
  auto executor = make_executor(tuning.threads);
  if (text.weight) tuning.chunk = smallest_good(kChunks, [&](int n) { return best_ms(*executor, text.weight, n) / n; });
  if (vision.weight)
    tuning.tile_batch =
        smallest_good(kTileBatches, [&](int n) { return best_ms(*executor, vision.weight, n * vision.rows) / n; });
  return tuning;
}

std::string tuning_file() {
  const char *cache = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
  if (cache && *cache) return (fs::path(cache) / "galago" / "tuning.json").string();
  return home && *home ? (fs::path(home) / ".cache" / "galago" / "tuning.json").string() : "";
}

std::optional<Tuning> read_tuning(const std::string& file, const Checkpoint& checkpoint) {
  const Json entries = read_entries(file);
  const std::string key = key_of(checkpoint);
  if (!entries.contains(key)) return std::nullopt;
  const Json& entry = entries[key];
  const auto threads = integer(entry, "threads", 0, 1024), chunk = integer(entry, "chunk", 1, 65536),
             tile_batch = integer(entry, "tile_batch", 0, 1024);
  if (!threads || !chunk || !tile_batch) return std::nullopt;
  return Tuning{*threads, *chunk, *tile_batch};
}

void write_tuning(const std::string& file, const Checkpoint& checkpoint, const Tuning& tuning) {
  std::error_code error;
  fs::create_directories(fs::path(file).parent_path(), error);
  if (error) throw io_error("{}: cannot make its folder: {}", file, error.message());
  Json entries = read_entries(file);
  entries[key_of(checkpoint)] = {
      {"threads", tuning.threads}, {"chunk", tuning.chunk}, {"tile_batch", tuning.tile_batch}};
  write_file(file, entries.dump(2) + "\n");
}

}  // namespace galago
