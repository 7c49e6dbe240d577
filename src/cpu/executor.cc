// Compiling: plan the arena (plan.h), resolve every input of every node to memory, pack the weights.
// Running: call the ops one after the other. Nothing is allocated, searched or decided then.
#include "cpu/executor.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>

#include "base/file.h"
#include "cpu/op.h"
#include "cpu/plan.h"

namespace galago::cpu {
namespace {

using Clock = std::chrono::steady_clock;

// Packed weights, shared by the programs of one executor and freed with their weight. Thread-safe.
class PackedWeights {
 public:
  Tensor get(const Node& node, const WeightRef& weight) {
    std::lock_guard lock(mutex_);
    auto pack = cpu_op(node.op).pack;
    Entry& entry = entries_[{weight.get(), pack}];
    if (entry.weight.lock() != weight) {  // new, or another weight lived at this address before
      forget_dead(weight.get());
      entry = {weight, pack(node, *weight)};
      // A mapped file would otherwise stay in memory beside the packed copy that was made of it.
      if (entry.packed.bytes() != weight->data.bytes()) release_pages({weight->data.bytes(), weight->data.n_bytes()});
    }
    return entry.packed;
  }

  void forget(const Weight& weight) {
    std::lock_guard lock(mutex_);
    std::erase_if(entries_, [&](const auto& item) { return item.first.first == &weight; });
  }

 private:
  using Pack = decltype(CpuOp::pack);
  struct Entry {
    std::weak_ptr<const Weight> weight;
    Tensor packed;
  };
  void forget_dead(const Weight* except) {
    std::erase_if(entries_,
                  [&](const auto& item) { return item.first.first != except && item.second.weight.expired(); });
  }
  std::mutex mutex_;
  std::map<std::pair<const Weight*, Pack>, Entry> entries_;
};

// What the executor's programs share.
struct Shared {
  std::shared_ptr<ThreadPool> pool;
  Mode mode;
  PackedWeights packed;
};

// GALAGO_PROFILE=1: milliseconds an op, summed over all runs, on stderr when the program ends.
class Profile {
 public:
  Profile() {
    const char* wanted = std::getenv("GALAGO_PROFILE");
    on_ = wanted && *wanted && std::string_view(wanted) != "0";
  }
  ~Profile() {
    if (on_ && n_runs_ > 0) report();
  }
  bool on() const { return on_; }
  void add(Op op, Clock::duration time) { times_[static_cast<size_t>(op)] += time; }
  void count_run() { ++n_runs_; }

 private:
  void report() const {
    std::vector<std::pair<double, std::string_view>> rows;
    double total = 0;
    for (const OpInfo& op : all_ops()) {
      double ms = std::chrono::duration<double, std::milli>(times_[static_cast<size_t>(op.op)]).count();
      if (ms > 0) rows.emplace_back(ms, op.name);
      total += ms;
    }
    std::sort(rows.rbegin(), rows.rend());
    std::fprintf(stderr, "cpu: %lld runs, %.3f ms each\n", static_cast<long long>(n_runs_), total / n_runs_);
    for (auto [ms, name] : rows)
      std::fprintf(stderr, "  %-18.*s %10.3f ms %5.1f %%\n", static_cast<int>(name.size()), name.data(), ms / n_runs_,
                   100 * ms / total);
  }
  bool on_ = false;
  int64_t n_runs_ = 0;
  std::array<Clock::duration, static_cast<size_t>(Op::Input)> times_{};
};

// One call, resolved.
struct Step {
  const Node* node;
  void (*call)(const OpCall&);
  std::vector<Tensor> in;
  Tensor out;
  Tensor packed;
  size_t scratch_bytes = 0, prepared_bytes = 0;
  bool is_prepared = false;
};

// The value of which the last op left another form in the common memory: see CpuOp::prepared.
struct PreparedValue {
  uint32_t id = UINT32_MAX;
  Shape shape = {};
  bool integer = false;
  bool operator==(const PreparedValue&) const = default;
};

class CpuProgram final : public Program {
 public:
  CpuProgram(std::shared_ptr<Shared> shared, std::shared_ptr<const Graph> graph, const CompileOptions& options)
      : shared_(std::move(shared)), graph_(std::move(graph)), options_(options), plan_(plan_memory(*graph_, options)) {
    arena_ = Tensor::make(DType::U8, {static_cast<int64_t>(plan_.arena_bytes)});
    resolve_values();
    for (uint32_t i = 0; i < graph_->nodes().size(); ++i)
      if (runs(i)) steps_.push_back(make_step(i));
    scratch_ = common_memory(&Step::scratch_bytes);
    prepared_ = common_memory(&Step::prepared_bytes);
  }

  Tensor input(std::string_view name) override {
    Value value = graph_->find(name);
    if (!value.valid() || graph_->node(value).op != Op::Input) throw not_found("{}: the graph has no such input", name);
    return values_[value.id];
  }

  Tensor output(std::string_view name) override {
    for (const auto& output : graph_->outputs())
      if (output.name == name) return values_[output.value.id];
    Value value = graph_->find(name);
    if (!value.valid()) throw not_found("{}: the graph has no such output", name);
    bool kept = options_.keep_named || graph_->node(value).op == Op::Input;
    CHECK(kept, "{} is not an output; compile with keep_named to read it", name);
    return values_[value.id];
  }

  void run() override {
    if (profile_.on()) return run_timed();
    for (const Step& step : steps_) call(step);
  }

  size_t activation_bytes() const override { return plan_.arena_bytes + scratch_.n_bytes() + prepared_.n_bytes(); }

 private:
  // Has weights of which products round activations too.
  static bool is_narrow(const Graph& graph) {
    return std::ranges::any_of(graph.nodes(), [](const Node& node) {
      return node.op == Op::Weight && (node.dtype == DType::BF16 || info(node.dtype).quantized());
    });
  }

  bool runs(uint32_t i) const {
    Op op = graph_->nodes()[i].op;
    return op < Op::Input && plan_.slots[i].needed && !cpu_op(op).view;
  }

  void resolve_values() {
    std::span<const Node> nodes = graph_->nodes();
    values_.resize(nodes.size());
    for (size_t i = 0; i < nodes.size(); ++i) {
      const Node& node = nodes[i];
      const MemoryPlan::Slot& slot = plan_.slots[i];
      if (node.op == Op::Weight)
        values_[i] = node.weight->data;
      else if (node.op == Op::State)
        values_[i] = node.state->data;
      else if (slot.in_arena)
        values_[i] = Tensor::view(node.dtype, node.shape, arena_.bytes() + slot.offset, arena_.owner());
      else
        values_[i] = values_[slot.home].reshaped(node.shape);
    }
  }

  Step make_step(uint32_t i) {
    const Node& node = graph_->nodes()[i];
    const CpuOp& op = cpu_op(node.op);
    bool fast = shared_->mode != Mode::Scalar;
    Step step{&node, fast ? op.fast : op.scalar, {}, values_[i], {}};
    CHECK(step.call, "{} has no code", info(node.op).name);
    for (Value input : node.inputs) step.in.push_back(values_[input.id]);
    if (fast && op.pack && node.inputs.size() > 1) {
      const Node& weight = graph_->node(node.inputs[1]);
      if (weight.op == Op::Weight) step.packed = shared_->packed.get(node, weight.weight);
    }
    if (op.scratch_bytes) step.scratch_bytes = op.scratch_bytes(node, step.in, shared_->pool->size());
    const Prepared prepared = fast && op.prepared ? op.prepared(node, step.in) : Prepared{};
    step.prepared_bytes = prepared.bytes;
    if (step.prepared_bytes > 0) {
      const PreparedValue value{without_views(node.inputs[0]), step.in[0].shape(), prepared.integer};
      step.is_prepared = last_prepared_ == value;
      last_prepared_ = value;
    }
    return step;
  }

  uint32_t without_views(Value value) const {
    while (graph_->node(value).op < Op::Input && cpu_op(graph_->node(value).op).view)
      value = graph_->node(value).inputs[0];
    return value.id;
  }

  Tensor common_memory(size_t Step::*bytes) const {
    size_t most = 0;
    for (const Step& step : steps_) most = std::max(most, step.*bytes);
    return Tensor::make(DType::U8, {static_cast<int64_t>(most)});
  }

  void call(const Step& step) {
    step.call({*step.node,
               step.in,
               step.out,
               step.packed,
               *shared_->pool,
               {scratch_.bytes(), step.scratch_bytes},
               {prepared_.bytes(), step.prepared_bytes},
               step.is_prepared,
               shared_->mode == Mode::Exact,
               narrow_});
  }

  void run_timed() {
    for (const Step& step : steps_) {
      auto begin = Clock::now();
      call(step);
      profile_.add(step.node->op, Clock::now() - begin);
    }
    profile_.count_run();
  }

  std::shared_ptr<Shared> shared_;
  std::shared_ptr<const Graph> graph_;
  CompileOptions options_;
  bool narrow_ = is_narrow(*graph_);
  MemoryPlan plan_;
  Tensor arena_, scratch_, prepared_;
  PreparedValue last_prepared_;  // while the steps are made
  std::vector<Tensor> values_;   // one a node
  std::vector<Step> steps_;
  Profile profile_;
};

class CpuExecutor final : public Executor {
 public:
  CpuExecutor(std::shared_ptr<ThreadPool> pool, Mode mode) : shared_(std::make_shared<Shared>()) {
    shared_->pool = std::move(pool);
    shared_->mode = mode;
  }
  std::string_view name() const override { return "cpu"; }
  std::unique_ptr<Program> compile(std::shared_ptr<const Graph> graph, const CompileOptions& options) override {
    return std::make_unique<CpuProgram>(shared_, std::move(graph), options);
  }
  void forget(const Weight& weight) override { shared_->packed.forget(weight); }

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace

std::unique_ptr<Executor> make_executor(std::shared_ptr<ThreadPool> pool, Mode mode) {
  CHECK(pool);
  return std::make_unique<CpuExecutor>(std::move(pool), mode);
}

}  // namespace galago::cpu
