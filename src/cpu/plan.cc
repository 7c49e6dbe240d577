#include "cpu/plan.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "cpu/op.h"

namespace galago::cpu {
namespace {

constexpr int kForever = std::numeric_limits<int>::max();

bool is_leaf(Op op) { return op >= Op::Input; }

size_t bytes_of(const Node& node) {
  return row_bytes(node.dtype, node.shape.last()) * static_cast<size_t>(node.shape.rows());
}

bool overlap(const Lifetime& a, const Lifetime& b) { return a.first <= b.last && b.first <= a.last; }

// Works on the nodes of one graph, step by step; `home_[i]` becomes final in merge_in_place().
class Planner {
 public:
  Planner(const Graph& graph, const CompileOptions& options)
      : graph_(graph), nodes_(graph.nodes()), n_(static_cast<int>(nodes_.size())), options_(options) {}

  MemoryPlan run() {
    find_needed();
    merge_views();
    find_last_readers();
    merge_in_place();
    return assign();
  }

 private:
  bool always_runs(const Node& node) const {
    return is_leaf(node.op) || cpu_op(node.op).writes_state || (options_.keep_named && !node.name.empty());
  }

  void find_needed() {
    needed_.assign(n_, false);
    for (const auto& output : graph_.outputs()) needed_[output.value.id] = true;
    for (int i = n_ - 1; i >= 0; --i) {
      needed_[i] = needed_[i] || always_runs(nodes_[i]);
      if (!needed_[i]) continue;
      for (Value input : nodes_[i].inputs) needed_[input.id] = true;
    }
  }

  void merge_views() {
    home_.resize(n_);
    std::iota(home_.begin(), home_.end(), 0u);
    for (int i = 0; i < n_; ++i) {
      const Node& node = nodes_[i];
      if (is_leaf(node.op)) continue;
      const CpuOp& op = cpu_op(node.op);
      if (op.view || op.writes_state) home_[i] = home_[node.inputs[0].id];
    }
  }

  void find_last_readers() {
    last_.assign(n_, -1);
    for (int i = 0; i < n_; ++i) {
      if (!needed_[i]) continue;
      last_[home_[i]] = std::max(last_[home_[i]], i);
      for (Value input : nodes_[i].inputs) last_[home_[input.id]] = std::max(last_[home_[input.id]], i);
    }
    for (int i = 0; i < n_; ++i)
      if (nodes_[i].op == Op::Input || (options_.keep_named && !nodes_[i].name.empty())) last_[home_[i]] = kForever;
    for (const auto& output : graph_.outputs()) last_[home_[output.value.id]] = kForever;
  }

  // A node may overwrite its first input if it is the last to read it.
  bool may_overwrite(int i) const {
    const Node& node = nodes_[i];
    if (is_leaf(node.op) || !needed_[i] || home_[i] != static_cast<uint32_t>(i) || !cpu_op(node.op).in_place)
      return false;
    const Node& input = graph_.node(node.inputs[0]);
    uint32_t home = home_[node.inputs[0].id];
    if (!(input.shape == node.shape) || input.dtype != node.dtype || !in_arena(home) || last_[home] != i) return false;
    return std::none_of(node.inputs.begin() + 1, node.inputs.end(), [&](Value v) { return home_[v.id] == home; });
  }

  void merge_in_place() {
    std::vector<uint32_t> moved(n_);  // where a home of merge_views() went
    std::iota(moved.begin(), moved.end(), 0u);
    for (int i = 0; i < n_; ++i) {
      home_[i] = moved[home_[i]];
      if (!may_overwrite(i)) continue;
      uint32_t home = home_[nodes_[i].inputs[0].id];
      last_[home] = last_[i];
      moved[i] = home_[i] = home;
    }
  }

  bool in_arena(uint32_t home) const { return nodes_[home].op != Op::Weight && nodes_[home].op != Op::State; }

  MemoryPlan assign() const {
    std::vector<Lifetime> lifetimes;
    std::vector<int> owner;  // node of each lifetime
    for (int i = 0; i < n_; ++i) {
      if (home_[i] != static_cast<uint32_t>(i) || !in_arena(i) || !needed_[i]) continue;
      // Inputs are written before the first step.
      lifetimes.push_back({nodes_[i].op == Op::Input ? -1 : i, last_[i], bytes_of(nodes_[i])});
      owner.push_back(i);
    }
    Placement placement = place(lifetimes);
    std::vector<size_t> offsets(n_, 0);
    for (size_t i = 0; i < owner.size(); ++i) offsets[owner[i]] = placement.offsets[i];
    MemoryPlan plan;
    plan.arena_bytes = placement.total;
    for (int i = 0; i < n_; ++i)
      plan.slots.push_back({home_[i], in_arena(home_[i]), static_cast<bool>(needed_[i]), offsets[home_[i]]});
    return plan;
  }

  const Graph& graph_;
  std::span<const Node> nodes_;
  int n_;
  CompileOptions options_;
  std::vector<char> needed_;
  std::vector<uint32_t> home_;
  std::vector<int> last_;  // step of the last reader; only valid for homes
};

}  // namespace

Placement place(std::span<const Lifetime> lifetimes) {
  std::vector<size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  Placement placement;
  placement.offsets.assign(lifetimes.size(), 0);
  std::vector<size_t> placed;  // by rising offset
  for (size_t current : order) {
    size_t bytes = align_up(lifetimes[current].bytes);
    size_t best = 0, best_gap = std::numeric_limits<size_t>::max(), end = 0;
    for (size_t other : placed) {
      if (!overlap(lifetimes[current], lifetimes[other])) continue;
      size_t begin = placement.offsets[other];
      if (begin >= end && begin - end >= bytes && begin - end < best_gap) best_gap = begin - end, best = end;
      end = std::max(end, begin + align_up(lifetimes[other].bytes));
    }
    placement.offsets[current] = best_gap == std::numeric_limits<size_t>::max() ? end : best;
    placement.total = std::max(placement.total, placement.offsets[current] + bytes);
    auto after = std::upper_bound(placed.begin(), placed.end(), current,
                                  [&](size_t a, size_t b) { return placement.offsets[a] < placement.offsets[b]; });
    placed.insert(after, current);
  }
  return placement;
}

MemoryPlan plan_memory(const Graph& graph, const CompileOptions& options) { return Planner(graph, options).run(); }

}  // namespace galago::cpu
