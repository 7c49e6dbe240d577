// The gradients of every differentiable case: backward() of the trainer against central differences of its own loss,
// along random directions: sum_i g_i d_i  =  (L(w + h d) - L(w - h d)) / 2h.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/ops/op_case.h"
#include "torch/trainer_program.h"

namespace galago::test {
namespace {

using torch_backend::Trainer;

std::vector<const OpCase*> differentiable_cases() {
  std::vector<const OpCase*> cases;
  for (const OpCase* op_case : all_cases())
    if (op_case->differentiable()) cases.push_back(op_case);
  return cases;
}

// The case's result times fixed random numbers, added up.
struct LossGraph {
  Graph graph;
  std::map<std::string, Tensor> inputs;

  LossGraph(const OpCase& op_case, const Shape& shape) {
    Inputs in(graph, shape, 11, Inputs::Mode::Gradient);
    Value y = op_case.build(graph, in);
    int64_t n = graph.shape(y).elements();
    Value loss = sum(graph, mul(graph, reshape(graph, y, {n}), in.constant({n}, {-1, 1})), 0);
    graph.output(loss, "loss");
    inputs = in.values();
  }
};

Tensor moved(const Tensor& from, const Tensor& direction, float step) {
  Tensor to = Tensor::make(DType::F32, from.shape());
  for (int64_t i = 0; i < to.elements(); ++i) to.f32()[i] = from.f32()[i] + step * direction.f32()[i];
  return to;
}

double loss_at(Trainer& trainer, const LossGraph& g, const std::string& name, const Tensor& value) {
  trainer.set_parameter(name, value);
  return trainer.evaluate(g.graph, g.inputs).at("loss").f32()[0];
}

class Gradients : public ::testing::TestWithParam<const OpCase*> {};

TEST_P(Gradients, MatchFiniteDifferences) {
  const OpCase& op_case = *GetParam();
  for (const Shape& shape : op_case.gradient_shapes()) {
    LossGraph g(op_case, shape);
    auto trainer = torch_backend::make_trainer({.n_threads = 1});
    trainer->forward_backward(g.graph, g.inputs, 1.0f);
    ASSERT_FALSE(trainer->parameter_names().empty());
    Rng rng(3);
    for (const std::string& name : trainer->parameter_names()) {
      Tensor start = trainer->parameter(name), gradient = trainer->gradient(name);
      Tensor direction = Tensor::make(DType::F32, start.shape());
      double slope = 0, size = 0;
      for (int64_t i = 0; i < start.elements(); ++i) {
        direction.f32()[i] = static_cast<float>(rng.uniform(-1, 1));
        slope += static_cast<double>(gradient.f32()[i]) * direction.f32()[i];
        size += std::fabs(gradient.f32()[i] * direction.f32()[i]);
      }
      // A step of 2e-3 balances the rounding of the loss (1e-6 / 4e-3) with the curvature.
      constexpr float kStep = 2e-3f;
      double up = loss_at(*trainer, g, name, moved(start, direction, kStep));
      double down = loss_at(*trainer, g, name, moved(start, direction, -kStep));
      trainer->set_parameter(name, start);
      EXPECT_NEAR((up - down) / (2 * kStep), slope, 5e-3 + 5e-3 * size) << shape.to_string() << " " << name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, Gradients, ::testing::ValuesIn(differentiable_cases()),
                         [](const auto& info) { return info.param->name(); });

TEST(Gradients, EveryDifferentiableOpIsChecked) {
  for (const OpInfo& op : all_ops()) {
    if (!op.differentiable || op.op == Op::Dropout) continue;  // dropout is random: tests/torch checks it
    auto checks = [&](const OpCase* op_case) { return op_case->op() == op.op && !op_case->gradient_shapes().empty(); };
    auto cases = differentiable_cases();
    EXPECT_TRUE(std::any_of(cases.begin(), cases.end(), checks)) << op.name;
  }
}

}  // namespace
}  // namespace galago::test
