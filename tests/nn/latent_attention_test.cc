// Multi-head latent attention against its definition in double precision, on weights hashed from their names.
#include "nn/latent_attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "nn/attention.h"
#include "tests/support/executors.h"
#include "tests/support/golden.h"

namespace galago::testing {
namespace {

constexpr int kWidth = 20, kHeads = 3, kTokens = 5;
constexpr float kBase = 100;
constexpr LatentConfig kLatent{.q_rank = 10, .kv_rank = 7, .d_nope = 6, .d_rope = 4, .d_value = 5};
const std::vector<float> kFactors = {1.5f, 4.0f};
using Row = std::vector<double>;

Weights weights_of(const LatentConfig& c) {
  Weights all;
  auto add = [&](const std::string& name, Shape shape) {
    all[name] = std::make_shared<Weight>(Weight{name, hashed_tensor(name, shape, false)});
  };
  add("q.weight", {kHeads * c.d_head(), kWidth});
  if (c.q_rank > 0) {
    add("q_a.weight", {c.q_rank, kWidth});
    add("q_a_norm.weight", {c.q_rank});
    add("q_b.weight", {kHeads * c.d_head(), c.q_rank});
  }
  add("kv_a.weight", {c.kv_rank + c.d_rope, kWidth});
  add("kv_a_norm.weight", {c.kv_rank});
  add("kv_b.weight", {kHeads * (c.d_nope + c.d_value), c.kv_rank});
  add("proj.weight", {kWidth, kHeads * c.d_value});
  return all;
}

// The definition, one token at a time.
class Definition {
 public:
  Definition(const Weights& weights, const LatentConfig& c) : weights_(weights), c_(c) {}

  // Rows of x [T, width], the first at position `first`.
  std::vector<Row> run(const std::vector<Row>& x, int first) const {
    std::vector<std::vector<Row>> q, k, v;  // [T][H]
    for (size_t t = 0; t < x.size(); ++t) {
      q.push_back(queries(x[t], first + static_cast<int>(t)));
      auto [keys, values] = keys_and_values(x[t], first + static_cast<int>(t));
      k.push_back(keys), v.push_back(values);
    }
    std::vector<Row> y;
    for (size_t t = 0; t < x.size(); ++t) {
      Row joined;
      for (int h = 0; h < kHeads; ++h) {
        Row mixed = attend(q[t][h], k, v, t, h);
        joined.insert(joined.end(), mixed.begin(), mixed.end());
      }
      y.push_back(times("proj", joined));
    }
    return y;
  }

 private:
  Row times(const std::string& name, const Row& x) const {
    const Tensor& w = weights_.find(name + ".weight")->second->data;
    Row y(static_cast<size_t>(w.shape()[0]));
    for (size_t i = 0; i < y.size(); ++i)
      for (size_t j = 0; j < x.size(); ++j) y[i] += static_cast<double>(w.f32()[i * x.size() + j]) * x[j];
    return y;
  }

  Row normalised(const std::string& name, const Row& x) const {
    double square = 0;
    for (double value : x) square += value * value / static_cast<double>(x.size());
    Row y = x;
    for (size_t i = 0; i < y.size(); ++i)
      y[i] *= static_cast<double>(weights_.find(name + ".weight")->second->data.f32()[i]) / std::sqrt(square + 1e-6);
    return y;
  }

  // Pairs (i, i + half) turn by position * base^(-2i / n) / factor.
  Row turned(const Row& x, int position) const {
    size_t half = x.size() / 2;
    Row y = x;
    for (size_t i = 0; i < half; ++i) {
      double angle = position * std::pow(double{kBase}, -2.0 * static_cast<double>(i) / c_.d_rope) / kFactors[i];
      y[i] = x[i] * std::cos(angle) - x[i + half] * std::sin(angle);
      y[i + half] = x[i + half] * std::cos(angle) + x[i] * std::sin(angle);
    }
    return y;
  }

  static Row part(const Row& x, int begin, int n) { return {x.begin() + begin, x.begin() + begin + n}; }
  static Row join(Row a, const Row& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }

  std::vector<Row> queries(const Row& x, int position) const {
    Row all = c_.q_rank > 0 ? times("q_b", normalised("q_a_norm", times("q_a", x))) : times("q", x);
    std::vector<Row> heads;
    for (int h = 0; h < kHeads; ++h) {
      int at = h * c_.d_head();
      heads.push_back(join(part(all, at, c_.d_nope), turned(part(all, at + c_.d_nope, c_.d_rope), position)));
    }
    return heads;
  }

  std::pair<std::vector<Row>, std::vector<Row>> keys_and_values(const Row& x, int position) const {
    Row latent = times("kv_a", x), shared = turned(part(latent, c_.kv_rank, c_.d_rope), position);
    Row all = times("kv_b", normalised("kv_a_norm", part(latent, 0, c_.kv_rank)));
    std::vector<Row> keys, values;
    for (int h = 0; h < kHeads; ++h) {
      int at = h * (c_.d_nope + c_.d_value);
      keys.push_back(join(part(all, at, c_.d_nope), shared));
      values.push_back(part(all, at + c_.d_nope, c_.d_value));
    }
    return {keys, values};
  }

  Row attend(const Row& q, const std::vector<std::vector<Row>>& k, const std::vector<std::vector<Row>>& v, size_t last,
             int h) const {
    Row y(static_cast<size_t>(c_.d_value));
    double total = 0;
    for (size_t t = 0; t <= last; ++t) {
      double score = std::inner_product(q.begin(), q.end(), k[t][h].begin(), 0.0) / std::sqrt(c_.d_head());
      total += std::exp(score);
      for (size_t i = 0; i < y.size(); ++i) y[i] += std::exp(score) * v[t][h][i];
    }
    for (double& value : y) value /= total;
    return y;
  }

  const Weights& weights_;
  LatentConfig c_;
};

std::vector<float> run(Executor& executor, const Weights& weights, const LatentConfig& c, const Tensor& x, int first) {
  AttentionConfig config{.n_heads = kHeads,
                         .n_kv_heads = kHeads,
                         .d_head = c.d_head(),
                         .causal = true,
                         .rotary = true,
                         .rope = {.base = kBase, .n_rot = c.d_rope, .layout = RopeLayout::Halves, .scale = 1},
                         .rope_factors = kFactors,
                         .latent = c};
  auto graph = std::make_shared<Graph>();
  PositionInfo at{.positions = graph->input("positions", DType::I32, {kTokens})};
  graph->output(self_attention(Scope(*graph, weights), graph->input("x", DType::F32, x.shape()), config, at), "y");
  auto program = executor.compile(graph);
  std::copy(x.f32().begin(), x.f32().end(), program->input("x").f32().begin());
  std::iota(program->input("positions").i32().begin(), program->input("positions").i32().end(), first);
  program->run();
  std::span<float> y = program->output("y").f32();
  return {y.begin(), y.end()};
}

void expect_definition(const LatentConfig& c) {
  Weights weights = weights_of(c);
  Tensor x = hashed_tensor("x", {1, kTokens, kWidth}, true);
  std::vector<Row> rows;
  for (int t = 0; t < kTokens; ++t) rows.emplace_back(x.f32().begin() + t * kWidth, x.f32().begin() + (t + 1) * kWidth);
  for (int first : {0, 11}) {
    std::vector<Row> want = Definition(weights, c).run(rows, first);
    for (auto& [name, executor] : all_executors()) {
      std::vector<float> got = run(*executor, weights, c, x, first);
      for (size_t i = 0; i < got.size(); ++i)
        ASSERT_NEAR(got[i], want[i / kWidth][i % kWidth],
                    2e-6)  // a few sums of float32, each of at most 20 products below 1
            << name << " from position " << first << " value " << i;
    }
  }
}

TEST(LatentAttention, IsItsDefinition) { expect_definition(kLatent); }

TEST(LatentAttention, QueriesMayComeStraightFromTheInput) {
  LatentConfig c = kLatent;
  c.q_rank = 0;
  expect_definition(c);
}

}  // namespace
}  // namespace galago::testing
