// Gradients of every op that ops.def marks differentiable, against central differences along a random direction.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>

#include "base/rng.h"
#include "graph/builder.h"
#include "torch/trainer_program.h"

namespace galago::torch_backend {
namespace {

// Builds the op from parameters made by w(shape) (normal values) and index constants made by ids(shape, values).
struct Builder {
  Graph& g;
  std::vector<WeightRef>& weights;

  Value w(const Shape& shape, float scale = 1, float offset = 0) {
    Rng rng(weights.size() + 7);
    Tensor t = Tensor::make(DType::F32, shape);
    for (float& v : t.f32()) v = offset + scale * static_cast<float>(rng.normal());
    return add(t);
  }
  Value positive(const Shape& shape) {
    Rng rng(weights.size() + 7);
    Tensor t = Tensor::make(DType::F32, shape);
    for (float& v : t.f32()) v = static_cast<float>(rng.uniform(0.5, 1.5));
    return add(t);
  }
  Value ids(const Shape& shape, const std::vector<int32_t>& values) {
    return add(Tensor::from(shape, std::span<const int32_t>(values)));
  }
  Value add(const Tensor& data) {
    weights.push_back(std::make_shared<Weight>(Weight{fmt::format("w{}", weights.size()), data}));
    return g.weight(weights.back());
  }
};

struct GradientCase {
  Op op;
  std::function<Value(Builder&)> build;
};

const std::vector<GradientCase>& cases() {
  static const std::vector<GradientCase> all = {
      {Op::Reshape,
       [](Builder& b) {
         return reshape(b.g, b.w({2, 3}), {3, 2});
       }},
      {Op::Permute,
       [](Builder& b) {
         return permute(b.g, b.w({2, 3, 4}), {2, 0, 1});
       }},
      {Op::Slice,
       [](Builder& b) {
         return slice(b.g, b.w({5, 2}), 0, 1, 5, 2);
       }},
      {Op::Concat,
       [](Builder& b) {
         return concat(b.g, std::vector{b.w({2, 2}), b.w({2, 3})}, 1);
       }},
      {Op::Expand,
       [](Builder& b) {
         return expand(b.g, b.w({2, 1}), {3, 2, 4});
       }},
      {Op::Pad,
       [](Builder& b) {
         return pad(b.g, b.w({2, 2}), {1, 0}, {0, 2});
       }},
      {Op::Add,
       [](Builder& b) {
         return add(b.g, b.w({2, 1}), b.w({3}));
       }},
      {Op::Sub,
       [](Builder& b) {
         return sub(b.g, b.w({2, 3}), b.w({3}));
       }},
      {Op::Mul,
       [](Builder& b) {
         return mul(b.g, b.w({2, 3}), b.w({2, 1}));
       }},
      {Op::Div,
       [](Builder& b) {
         return div(b.g, b.w({2, 3}), b.positive({3}));
       }},
      {Op::Affine, [](Builder& b) { return affine(b.g, b.w({4}), -2, 1); }},
      {Op::Unary, [](Builder& b) { return unary(b.g, b.w({9}), UnaryKind::GeluErf); }},
      {Op::Unary, [](Builder& b) { return unary(b.g, b.positive({9}), UnaryKind::Rsqrt); }},
      {Op::Unary, [](Builder& b) { return unary(b.g, b.w({9}), UnaryKind::QuickGelu); }},
      {Op::Glu,
       [](Builder& b) {
         return glu(b.g, b.w({2, 3}), b.w({2, 3}), UnaryKind::Silu);
       }},
      {Op::Where,
       [](Builder& b) {
         return where(b.g, b.ids({3}, {1, 0, 1}), b.w({2, 3}), b.w({3}));
       }},
      {Op::Clamp, [](Builder& b) { return clamp(b.g, b.w({9}, 2), -1, 1); }},
      {Op::Sum,
       [](Builder& b) {
         return sum(b.g, b.w({2, 3}), 0);
       }},
      {Op::Mean,
       [](Builder& b) {
         return mean(b.g, b.w({2, 3}), 1);
       }},
      {Op::Max,
       [](Builder& b) {
         return max(b.g, b.w({4, 3}), 1);
       }},
      {Op::LayerNorm,
       [](Builder& b) {
         return layer_norm(b.g, b.w({3, 5}), b.w({5}), b.w({5}), 1e-5f);
       }},
      {Op::RmsNorm,
       [](Builder& b) {
         return rms_norm(b.g, b.w({2, 70, 37}, 0.2f), b.w({37}), 1e-2f);
       }},
      {Op::GroupNorm,
       [](Builder& b) {
         return group_norm(b.g, b.w({2, 4, 3}), b.w({4}), b.w({4}), 2, 1e-5f);
       }},
      {Op::BatchNorm,
       [](Builder& b) {  // the statistics are constants
         std::vector<int32_t> stats = {1, 2, 3};
         Value constant = cast(b.g, b.ids({3}, stats), DType::F32);
         return batch_norm(b.g, b.w({2, 3, 2}), b.w({3}), b.w({3}), constant, constant, 1e-5f);
       }},
      {Op::Linear,
       [](Builder& b) {
         return linear(b.g, b.w({2, 2, 3}), b.w({4, 3}), b.w({4}));
       }},
      {Op::Matmul,
       [](Builder& b) {
         return matmul(b.g, b.w({2, 3, 4}), b.w({2, 5, 4}), true);
       }},
      {Op::ExpertLinear,
       [](Builder& b) {
         return expert_linear(b.g, b.w({3, 2, 4}), b.w({3, 5, 4}), b.ids({3, 2}, {2, 0, 1, 2, 2, 0}));
       }},
      {Op::Attention,
       [](Builder& b) {
         return attention(b.g, b.w({2, 3, 4, 5}), b.w({2, 4, 2, 5}), b.w({2, 4, 2, 3}),
                          {.scale = 0.5f, .causal = true, .window = 2});
       }},
      {Op::Attention,
       [](Builder& b) {
         return attention(b.g, b.w({2, 3, 1, 2}), b.w({2, 4, 1, 2}), b.w({2, 4, 1, 2}), {.mask = b.w({2, 3, 4})});
       }},
      {Op::Softmax,
       [](Builder& b) {
         return softmax(b.g, b.w({3, 4}), 0);
       }},
      {Op::Rope,
       [](Builder& b) {
         return rope(b.g, b.w({2, 3, 2, 6}), b.ids({3}, {0, 1, 5}), {100, 4, RopeLayout::Pairs, 1});
       }},
      {Op::Rope,
       [](Builder& b) {
         return rope(b.g, b.w({1, 2, 2, 4}), b.ids({1, 2}, {3, 1}), {100, 4, RopeLayout::Halves, 2});
       }},
      {Op::Gather,
       [](Builder& b) {
         return gather(b.g, b.w({4, 3}), b.ids({2, 2}, {3, 0, 3, 1}));
       }},
      {Op::Gather,
       [](Builder& b) {
         return gather(b.g, b.w({4, 2, 2}), b.ids({3}, {3, 0, 3}));
       }},
      {Op::Scatter,
       [](Builder& b) {
         return scatter(b.g, b.w({4, 3}), b.w({3, 3}), b.ids({3}, {2, -1, 0}));
       }},
      {Op::Conv1d,
       [](Builder& b) {
         return conv1d(b.g, b.w({2, 4, 6}), b.w({4, 2, 3}), b.w({4}), {2, 1, 1, 2, 0});
       }},
      {Op::Conv2d,
       [](Builder& b) {
         return conv2d(b.g, b.w({2, 2, 4, 5}), b.w({3, 2, 3, 3}), {}, {1, 1, 1, 1, 0});
       }},
      {Op::ConvTranspose1d,
       [](Builder& b) {
         return conv_transpose1d(b.g, b.w({2, 3, 4}), b.w({3, 2, 3}), b.w({2}), {2, 1, 1, 1, 1});
       }},
      {Op::ConvTranspose2d,
       [](Builder& b) {
         return conv_transpose2d(b.g, b.w({1, 2, 3, 3}), b.w({2, 2, 2, 2}), b.w({2}), {2, 0, 1, 1, 0});
       }},
      {Op::Pool2d,
       [](Builder& b) {
         return pool2d(b.g, b.w({1, 2, 5, 5}), {PoolKind::Max, 3, 2, 1, false});
       }},
      {Op::Pool2d,
       [](Builder& b) {
         return pool2d(b.g, b.w({1, 2, 5, 5}), {PoolKind::Average, 3, 2, 1, true});
       }},
      {Op::Interpolate,
       [](Builder& b) {
         return interpolate(b.g, b.w({1, 2, 3, 4}), {InterpolateKind::Bicubic, 5, 7, false});
       }},
      {Op::RoiAlign,
       [](Builder& b) {
         Value boxes = cast(b.g, b.ids({2, 5}, {0, 1, 0, 4, 3, 0, 0, 1, 2, 5}), DType::F32);
         return roi_align(b.g, b.w({1, 2, 6, 6}), boxes, {2, 3, 2, 0.7f, true});
       }},
      {Op::SelectiveScan,
       [](Builder& b) {
         Value u = b.w({2, 4, 5}), delta = b.positive({2, 4, 5}), a = b.w({4, 3}, 0.3f, -1);
         return selective_scan(b.g, u, delta, a, b.w({2, 2, 3, 5}), b.w({2, 2, 3, 5}), b.w({4}));
       }},
      {Op::CrossEntropy,
       [](Builder& b) {
         return cross_entropy(b.g, b.w({2, 2, 5}), b.ids({2, 2}, {4, 0, -100, 2}), -100, 0.1f);
       }},
      {Op::KlDiv,
       [](Builder& b) {
         return kl_div(b.g, b.w({3, 5}), b.w({3, 5}));
       }},
      {Op::Dropout, [](Builder& b) { return dropout(b.g, b.w({4}), 0); }},
  };
  return all;
}

// loss = sum of the op's result times fixed numbers, so that every element of the result matters differently.
void add_loss(Builder& b, Value y) {
  Graph& g = b.g;
  Value flat = reshape(g, y, {g.shape(y).elements()});
  std::vector<int32_t> numbers;
  for (int64_t i = 0; i < g.shape(flat).elements(); ++i) numbers.push_back(static_cast<int32_t>(i * 7 % 5) - 2);
  Value factors = affine(g, cast(g, b.ids(g.shape(flat), numbers), DType::F32), 0.3f, 0.2f);
  g.output(sum(g, mul(g, flat, factors), 0), "loss");
}

TEST(Gradients, EveryDifferentiableOpMatchesDifferences) {
  for (const auto& c : cases()) {
    SCOPED_TRACE(info(c.op).name);
    Graph g;
    std::vector<WeightRef> weights;
    Builder b{g, weights};
    add_loss(b, c.build(b));
    TrainOptions options;
    options.n_threads = 1;
    auto trainer = make_trainer(options);
    trainer->forward_backward(g, {}, 1);
    for (const auto& weight : weights) {
      if (weight->data.dtype() != DType::F32) continue;
      Tensor start = trainer->parameter(weight->name), gradient = trainer->gradient(weight->name);
      Rng rng(weight->name.back());
      Tensor direction = Tensor::make(DType::F32, start.shape());
      double slope = 0;
      for (int64_t i = 0; i < start.elements(); ++i) {
        direction.f32()[i] = static_cast<float>(rng.uniform(-1, 1));
        slope += static_cast<double>(gradient.f32()[i]) * direction.f32()[i];
      }
      auto loss_at = [&](float t) {
        Tensor moved = Tensor::make(DType::F32, start.shape());
        for (int64_t i = 0; i < start.elements(); ++i) moved.f32()[i] = start.f32()[i] + t * direction.f32()[i];
        trainer->set_parameter(weight->name, moved);
        return trainer->evaluate(g, {})["loss"].f32()[0];
      };
      const float t = 2e-3f;  // rounding of a loss near 10 (1e-6) over 2t is 3e-4; the curvature's share is below 1e-4
      double difference = (static_cast<double>(loss_at(t)) - loss_at(-t)) / (2 * t);
      loss_at(0);
      EXPECT_NEAR(slope, difference, 2e-3 + 3e-3 * std::abs(slope)) << weight->name;
      EXPECT_NE(slope, 0) << weight->name;
    }
  }
}

TEST(Gradients, NoDifferentiableOpIsForgotten) {
  std::set<Op> covered;
  for (const auto& c : cases()) covered.insert(c.op);
  for (const OpInfo& op : all_ops()) EXPECT_EQ(covered.count(op.op) > 0, op.differentiable) << op.name;
}

}  // namespace
}  // namespace galago::torch_backend
