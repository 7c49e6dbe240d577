#include "tests/ops/op_case.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace galago::test {
namespace {

std::vector<std::unique_ptr<OpCase>>& owned_cases() {
  static std::vector<std::unique_ptr<OpCase>> cases;
  return cases;
}

uint64_t seed_of(const std::string& name) {
  uint64_t seed = 1;
  for (char c : name) seed = splitmix64(seed ^ static_cast<unsigned char>(c));
  return seed;
}

double difference(float a, float b) {
  if (std::isnan(a) || std::isnan(b))
    return std::isnan(a) == std::isnan(b) ? 0 : std::numeric_limits<double>::infinity();
  if (a == b) return 0;
  return std::fabs(static_cast<double>(a) - b) / std::max(1.0, std::fabs(static_cast<double>(b)));
}

}  // namespace

Tensor Inputs::random(const Shape& shape, Range range) {
  Tensor values = Tensor::make(DType::F32, shape);
  for (float& v : values.f32()) v = static_cast<float>(rng_.uniform(range.low, range.high));
  return values;
}

Value Inputs::input(const Tensor& values) {
  std::string name = next_name("in");
  values_[name] = values;
  return graph_.input(name, values.dtype(), values.shape());
}

Value Inputs::f32(const Shape& shape, Range range) {
  return mode_ == Mode::Gradient ? weight(shape, range) : constant(shape, range);
}

Value Inputs::constant(const Shape& shape, Range range) { return input(random(shape, range)); }

Value Inputs::weight(const Shape& shape, Range range, DType dtype) {
  Tensor values = random(shape, range);
  if (dtype != DType::F32) values = encode(values, dtype);
  return graph_.weight(std::make_shared<const Weight>(Weight{next_name("weight"), values}));
}

Value Inputs::state(const Shape& shape, DType dtype) {
  Tensor values = random(shape, {});
  if (dtype != DType::F32) values = encode(values, dtype);
  return graph_.state(std::make_shared<const State>(State{next_name("state"), values}));
}

Value Inputs::ids(const Shape& shape, int64_t n) {
  Tensor values = Tensor::make(DType::I32, shape);
  for (int32_t& v : values.i32()) v = static_cast<int32_t>(rng_.below(n));
  return input(values);
}

Value Inputs::i32(const Shape& shape, std::vector<int32_t> values) {
  return input(Tensor::from(shape, std::span<const int32_t>(values)));
}

std::vector<Shape> OpCase::gradient_shapes() const {
  constexpr int64_t kSmall = 300;
  std::vector<Shape> small;
  for (const Shape& shape : shapes())
    if (shape.elements() > 0 && shape.elements() <= kSmall) small.push_back(shape);
  return small;
}

std::string OpCase::name() const {
  std::string name(info(op()).name);
  return variant().empty() ? name : name + "_" + variant();
}

const std::vector<const OpCase*>& all_cases() {
  static const std::vector<const OpCase*> cases = [] {
    std::vector<const OpCase*> result;
    for (const auto& owned : owned_cases()) result.push_back(owned.get());
    return result;
  }();
  return cases;
}

bool add_case(std::unique_ptr<OpCase> op_case) {
  owned_cases().push_back(std::move(op_case));
  return true;
}

Tensor run_case(Executor& executor, const OpCase& op_case, const Shape& shape) {
  auto graph = std::make_shared<Graph>();
  Inputs inputs(*graph, shape, seed_of(op_case.name() + shape.to_string()), Inputs::Mode::Run);
  graph->output(op_case.build(*graph, inputs), "out");
  auto program = executor.compile(graph);
  for (const auto& [name, values] : inputs.values()) {
    Tensor input = program->input(name);
    std::copy_n(values.bytes(), values.n_bytes(), input.bytes());
  }
  program->run();
  program->run();
  Tensor out = program->output("out");
  Tensor copy = Tensor::make(out.dtype(), out.shape());
  if (out.n_bytes() > 0) std::copy_n(out.bytes(), out.n_bytes(), copy.bytes());
  return copy;
}

double difference(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || !(a.shape() == b.shape())) return std::numeric_limits<double>::infinity();
  if (a.dtype() == DType::I32)
    return std::equal(a.i32().begin(), a.i32().end(), b.i32().begin()) ? 0 : std::numeric_limits<double>::infinity();
  Tensor fa = to_f32(a), fb = to_f32(b);
  double worst = 0;
  for (int64_t i = 0; i < fa.elements(); ++i) worst = std::max(worst, difference(fa.f32()[i], fb.f32()[i]));
  return worst;
}

}  // namespace galago::test
