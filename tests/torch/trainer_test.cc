// The trainer against scalar arithmetic: AdamW, clipping, accumulation, exact resume.
#include "torch/trainer_program.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/rng.h"
#include "graph/builder.h"

namespace galago::torch_backend {
namespace {

using Inputs = std::map<std::string, Tensor>;

Tensor random_tensor(const Shape& shape, uint64_t seed) {
  Rng rng(seed);
  Tensor t = Tensor::make(DType::F32, shape);
  for (float& v : t.f32()) v = static_cast<float>(rng.normal());
  return t;
}

WeightRef make_weight(const std::string& name, const Tensor& data) {
  return std::make_shared<Weight>(Weight{name, data});
}

std::vector<float> values(const Tensor& t) { return {t.f32().begin(), t.f32().end()}; }

// loss = mean over rows and outputs of (x w^T + b - y)^2, with dropout on x.
struct Regression {
  WeightRef w = make_weight("w", random_tensor({2, 3}, 1));
  WeightRef b = make_weight("b", random_tensor({2}, 2));

  Graph graph(int64_t rows, float p_dropout = 0) const {
    Graph g;
    Value x = g.input("x", DType::F32, {rows, 3}), y = g.input("y", DType::F32, {rows, 2});
    Value predicted = linear(g, dropout(g, x, p_dropout), g.weight(w), g.weight(b));
    g.output(predicted, "predicted");
    Value error = unary(g, sub(g, predicted, y), UnaryKind::Square);
    g.output(mean(g, mean(g, error, 1), 0), "loss");
    return g;
  }
  // y = x W^T + B of a fixed W and B, so the smallest loss is 0.
  static Inputs data(int64_t rows, uint64_t seed) {
    Tensor x = random_tensor({rows, 3}, seed), y = Tensor::make(DType::F32, {rows, 2});
    for (int64_t r = 0; r < rows; ++r) {
      const float* in = &x.f32()[r * 3];
      y.f32()[r * 2] = 2 * in[0] - in[1] + 0.5f;
      y.f32()[r * 2 + 1] = in[2] - 1;
    }
    return {{"x", x}, {"y", y}};
  }
};

// The models are too small to share: a second OpenMP thread would only spin.
TrainOptions one_thread() {
  TrainOptions options;
  options.n_threads = 1;
  return options;
}

TrainOptions plain_options() {
  TrainOptions options = one_thread();
  options.optimizer.weight_decay = 0;
  options.optimizer.clip_norm = 0;
  return options;
}

TEST(Trainer, LinearRegressionFindsTheWeights) {
  auto trainer = make_trainer(plain_options());
  Graph g = Regression().graph(32);
  Inputs data = Regression::data(32, 5);
  float loss = 0;
  for (int i = 0; i < 400; ++i) {
    loss = trainer->forward_backward(g, data, 1);
    trainer->step(i < 300 ? 0.05f : 0.005f);
  }
  EXPECT_LT(loss, 1e-5f);
  const float expected[] = {2, -1, 0, 0, 0, 1};
  for (int i = 0; i < 6; ++i) EXPECT_NEAR(trainer->parameter("w").f32()[i], expected[i], 1e-2);
  EXPECT_EQ(trainer->steps_done(), 400);
  EXPECT_EQ(trainer->parameter_names(), (std::vector<std::string>{"b", "w"}));
}

TEST(Trainer, GradientIsTheDerivative) {
  auto trainer = make_trainer(plain_options());
  Regression model;
  Graph g = model.graph(4);
  Inputs data = Regression::data(4, 6);
  trainer->forward_backward(g, data, 1);
  Tensor gradient = trainer->gradient("w");
  std::vector<float> before = values(trainer->parameter("w"));
  for (int i = 0; i < 6; ++i) {
    auto loss_at = [&](float delta) {
      Tensor moved = trainer->parameter("w");
      moved.f32()[i] = before[i] + delta;
      trainer->set_parameter("w", moved);
      return trainer->evaluate(g, data)["loss"].f32()[0];
    };
    float slope = (loss_at(0.01f) - loss_at(-0.01f)) / 0.02f;  // exact for a quadratic but for rounding
    loss_at(0);
    EXPECT_NEAR(gradient.f32()[i], slope, 2e-3) << i;
  }
}

TEST(Trainer, AdamWMatchesScalarReference) {
  TrainOptions options = one_thread();
  options.optimizer = {.beta1 = 0.9f, .beta2 = 0.95f, .eps = 1e-8f, .weight_decay = 0.1f, .clip_norm = 0.7f};
  auto trainer = make_trainer(options);
  Regression model;
  Graph g = model.graph(8);
  std::map<std::string, std::vector<double>> p, m, v;
  for (const auto& weight : {model.w, model.b}) {
    p[weight->name].assign(weight->data.f32().begin(), weight->data.f32().end());
    m[weight->name].assign(p[weight->name].size(), 0);
    v[weight->name].assign(p[weight->name].size(), 0);
  }
  for (int step = 1; step <= 20; ++step) {
    trainer->forward_backward(g, Regression::data(8, 100 + step), 1);
    std::map<std::string, Tensor> gradients;
    double squares = 0;
    for (const char* name : {"w", "b"}) {
      gradients[name] = trainer->gradient(name);
      for (float gi : gradients[name].f32()) squares += static_cast<double>(gi) * gi;
    }
    EXPECT_NEAR(trainer->step(0.02f), std::sqrt(squares), 1e-5);
    double clip = std::min(1.0, 0.7 / std::sqrt(squares));
    for (const char* name : {"w", "b"}) {
      double decay = std::string(name) == "w" ? 0.1 : 0;  // none on one-dimensional parameters
      for (size_t i = 0; i < p[name].size(); ++i) {
        double gi = gradients[name].f32()[i] * clip;
        m[name][i] = 0.9 * m[name][i] + 0.1 * gi;
        v[name][i] = 0.95 * v[name][i] + 0.05 * gi * gi;
        double m_hat = m[name][i] / (1 - std::pow(0.9, step)), v_hat = v[name][i] / (1 - std::pow(0.95, step));
        p[name][i] -= 0.02 * (m_hat / (std::sqrt(v_hat) + 1e-8) + decay * p[name][i]);
        EXPECT_NEAR(trainer->parameter(name).f32()[i], p[name][i], 1e-5) << name << i << " step " << step;
      }
    }
  }
}

TEST(Trainer, MicroStepsAddUpToOneBigBatch) {
  Regression model;
  Inputs big = Regression::data(8, 9), first, second;
  for (const auto& [name, t] : big) {
    first[name] = t.rows(0, 4);
    second[name] = t.rows(4, 8);
  }
  auto whole = make_trainer(plain_options()), halves = make_trainer(plain_options());
  Graph g8 = model.graph(8), g4 = model.graph(4);
  whole->forward_backward(g8, big, 1);
  halves->forward_backward(g4, first, 0.5f);
  halves->forward_backward(g4, second, 0.5f);
  for (int i = 0; i < 6; ++i) EXPECT_NEAR(whole->gradient("w").f32()[i], halves->gradient("w").f32()[i], 1e-6);
  whole->step(0.1f);
  halves->step(0.1f);
  for (int i = 0; i < 6; ++i) EXPECT_NEAR(whole->parameter("w").f32()[i], halves->parameter("w").f32()[i], 1e-6);
  EXPECT_EQ(halves->gradient("w").f32()[0], 0);  // cleared by step
}

TEST(Trainer, ResumeRepeatsBitByBit) {
  Regression model;
  Graph g = model.graph(16, 0.3f);
  auto run_steps = [&](Trainer& trainer, int from, int to) {
    for (int i = from; i < to; ++i) {
      for (int micro = 0; micro < 2; ++micro)
        trainer.forward_backward(g, Regression::data(16, 50 + 2 * i + micro), 0.5f);
      trainer.step(0.01f);
    }
  };
  TrainOptions options = one_thread();
  options.seed = 77;
  auto straight = make_trainer(options), stopped = make_trainer(options), resumed = make_trainer(options);
  run_steps(*straight, 0, 10);
  run_steps(*stopped, 0, 6);
  std::map<std::string, Tensor> parameters;
  for (const auto& name : stopped->parameter_names()) parameters[name] = stopped->parameter(name);
  resumed->restore(parameters, stopped->optimizer_state(), stopped->steps_done());
  run_steps(*resumed, 6, 10);
  EXPECT_EQ(resumed->steps_done(), 10);
  EXPECT_EQ(values(straight->parameter("w")), values(resumed->parameter("w")));
  EXPECT_EQ(values(straight->parameter("b")), values(resumed->parameter("b")));

  options.seed = 78;  // and the seed matters: dropout is active
  auto other = make_trainer(options);
  run_steps(*other, 0, 10);
  EXPECT_NE(values(straight->parameter("w")), values(other->parameter("w")));
}

TEST(Trainer, EvaluationHasNoDropout) {
  Regression model;
  auto trainer = make_trainer(plain_options());
  Inputs data = Regression::data(4, 3);
  Graph with = model.graph(4, 0.5f), without = model.graph(4, 0);
  EXPECT_EQ(values(trainer->evaluate(with, data)["predicted"]), values(trainer->evaluate(without, data)["predicted"]));
  EXPECT_EQ(trainer->gradient("w").f32()[0], 0);
}

TEST(Trainer, FrozenParametersStay) {
  Regression model;
  auto trainer = make_trainer(one_thread());
  trainer->set_frozen([](std::string_view name) { return name == "w"; });
  Graph g = model.graph(8);
  trainer->forward_backward(g, Regression::data(8, 1), 1);
  trainer->step(0.1f);
  EXPECT_EQ(values(trainer->parameter("w")), values(model.w->data));
  EXPECT_NE(values(trainer->parameter("b")), values(model.b->data));
  trainer->set_frozen([](std::string_view) { return false; });
  trainer->forward_backward(g, Regression::data(8, 1), 1);
  trainer->step(0.1f);
  EXPECT_NE(values(trainer->parameter("w")), values(model.w->data));
}

TEST(Trainer, LearningRateFactor) {
  Regression model;
  auto trainer = make_trainer(plain_options());
  trainer->set_lr_factor([](std::string_view name) { return name == "w" ? 0.1f : 1.0f; });
  Graph g = model.graph(8);
  trainer->forward_backward(g, Regression::data(8, 1), 1);
  trainer->step(0.01f);
  // The first step of Adam moves every value by lr, whatever its gradient.
  EXPECT_NEAR(std::abs(trainer->parameter("w").f32()[0] - model.w->data.f32()[0]), 0.001, 1e-6);
  EXPECT_NEAR(std::abs(trainer->parameter("b").f32()[0] - model.b->data.f32()[0]), 0.01, 1e-6);
}

TEST(Trainer, GradientThatIsNotFiniteIsNotApplied) {
  Regression model;
  auto trainer = make_trainer(plain_options());
  Graph g = model.graph(4);
  Inputs data = Regression::data(4, 1);
  data["y"].f32()[0] = std::numeric_limits<float>::infinity();
  trainer->forward_backward(g, data, 1);
  EXPECT_FALSE(std::isfinite(trainer->step(0.1f)));
  EXPECT_EQ(values(trainer->parameter("w")), values(model.w->data));
}

TEST(Trainer, WrongInputsAreErrors) {
  auto trainer = make_trainer(one_thread());
  Graph g = Regression().graph(4);
  EXPECT_THROW(trainer->forward_backward(g, {}, 1), Error);
  EXPECT_THROW(trainer->forward_backward(g, Regression::data(5, 1), 1), Error);
  EXPECT_THROW(trainer->parameter("nobody"), Error);
  TrainOptions nowhere;
  nowhere.device = "abacus";
  EXPECT_THROW(make_trainer(nowhere), Error);
}

// A decoder block with everything a small language model needs; returns the loss.
Graph tiny_decoder() {
  const int64_t B = 2, T = 5, d = 16, H = 4, G = 2, D = 4, V = 11;
  uint64_t seed = 40;
  Graph g;
  auto weight = [&](const std::string& name, const Shape& shape) {
    Tensor t = random_tensor(shape, ++seed);
    for (float& v : t.f32()) v *= 0.3f;
    return g.weight(make_weight(name, t));
  };
  Value table = weight("table", {V, d});
  Value positions = g.input("positions", DType::I32, {T});
  Value x = gather(g, table, g.input("ids", DType::I32, {B, T}));
  Value h = rms_norm(g, x, weight("norm", {d}), 1e-6f);
  RopeAttrs turn{10000, 4, RopeLayout::Halves, 1};
  Value q = rope(g, reshape(g, linear(g, h, weight("q", {H * D, d})), {B, T, H, D}), positions, turn);
  Value k = rope(g, reshape(g, linear(g, h, weight("k", {G * D, d})), {B, T, G, D}), positions, turn);
  Value v = reshape(g, linear(g, h, weight("v", {G * D, d})), {B, T, G, D});
  Value o = attention(g, q, k, v, {.scale = 0.5f, .causal = true});
  x = add(g, x, linear(g, reshape(g, o, {B, T, H * D}), weight("o", {d, H * D})));
  h = layer_norm(g, x, weight("gain", {d}), weight("bias", {d}), 1e-5f);
  h = glu(g, linear(g, h, weight("gate", {24, d})), linear(g, h, weight("up", {24, d})), UnaryKind::Silu);
  x = add(g, x, linear(g, h, weight("down", {d, 24})));
  g.output(cross_entropy(g, linear(g, x, table), g.input("targets", DType::I32, {B, T}), -100, 0.1f), "loss");
  return g;
}

Inputs tiny_tokens() {
  const int32_t ids[] = {1, 4, 2, 9, 0, 10, 3, 3, 7, 5}, targets[] = {4, 2, 9, 0, -100, 3, 3, 7, 5, -100};
  const int32_t positions[] = {0, 1, 2, 3, 4};
  return {{"ids", Tensor::from({2, 5}, std::span(ids))},
          {"targets", Tensor::from({2, 5}, std::span(targets))},
          {"positions", Tensor::from({5}, std::span(positions))}};
}

// Every parameter's gradient against a central difference along one random direction.
TEST(Trainer, GradientsOfADecoderMatchDifferences) {
  auto trainer = make_trainer(plain_options());
  Graph g = tiny_decoder();
  Inputs tokens = tiny_tokens();
  trainer->forward_backward(g, tokens, 1);
  uint64_t seed = 900;
  for (const auto& name : trainer->parameter_names()) {
    Tensor at = trainer->parameter(name), gradient = trainer->gradient(name);
    Tensor direction = random_tensor(at.shape(), ++seed);
    double slope = 0;
    for (int64_t i = 0; i < at.elements(); ++i) slope += gradient.f32()[i] * direction.f32()[i];
    auto loss_at = [&](float t) {
      Tensor moved = Tensor::make(DType::F32, at.shape());
      for (int64_t i = 0; i < at.elements(); ++i) moved.f32()[i] = at.f32()[i] + t * direction.f32()[i];
      trainer->set_parameter(name, moved);
      return trainer->evaluate(g, tokens)["loss"].f32()[0];
    };
    const float t = 4e-3f;  // rounding of the loss (2e-7) / t and curvature t^2 are both near 1e-4
    double difference = (loss_at(t) - loss_at(-t)) / (2 * t);
    loss_at(0);
    EXPECT_NEAR(slope, difference, 2e-3 + 5e-3 * std::abs(slope)) << name;
  }
}

TEST(Trainer, Bf16LearnsLikeF32) {
  Graph g = tiny_decoder();
  Inputs tokens = tiny_tokens();
  float losses[2];
  for (bool bf16 : {false, true}) {
    TrainOptions options = plain_options();
    options.bf16 = bf16;
    auto trainer = make_trainer(options);
    float first = trainer->forward_backward(g, tokens, 1);
    trainer->step(0.01f);
    for (int i = 0; i < 30; ++i) {
      losses[bf16] = trainer->forward_backward(g, tokens, 1);
      trainer->step(0.01f);
    }
    EXPECT_LT(losses[bf16], 0.7f * first);
  }
  EXPECT_NEAR(losses[0], losses[1], 0.1f);  // bf16 keeps 8 bits: three digits of the loss after 30 steps
}

}  // namespace
}  // namespace galago::torch_backend
