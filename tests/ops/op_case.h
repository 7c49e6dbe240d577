// One struct an op serves four uses: fast against scalar code at every instruction set (tests/cpu/op_cases_test.cc),
// cpu against torch, gradients (tests/ops/), and timing (bench/). Cases live in tests/ops/cases/, one file an op
// family:
//
//   struct RmsNormCase : OpCase {
//     Op op() const override { return Op::RmsNorm; }
//     std::vector<Shape> shapes() const override { return {{1, 8}, {3, 33}, {0, 64}, {5, 4096}}; }
//     Value build(Graph& g, Inputs& in) const override { return rms_norm(g, in.x(), in.gain(), 1e-6f); }
//     double tolerance() const override { return 1e-6; }       // one reduction in float; measured 2e-7
//   };
//   OP_CASE(RmsNormCase);
#pragma once

#include <concepts>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/thread_pool.h"
#include "graph/builder.h"
#include "graph/executor.h"

namespace galago::test {

struct Range {
  double low = -2, high = 2;
};

// Makes the inputs of one case, with values that depend only on the seed and the order of the calls.
// In a gradient check every f32 value is a weight, so that the trainer sees it as a parameter.
class Inputs {
 public:
  enum class Mode { Run, Gradient };
  Inputs(Graph& graph, const Shape& shape, uint64_t seed, Mode mode)
      : graph_(graph), shape_(shape), rng_(seed), mode_(mode) {}

  const Shape& shape() const { return shape_; }  // of the case that is built
  Value x(Range range = {}) { return f32(shape_, range); }
  Value gain() { return weight({shape_.last()}, {0.5, 1.5}); }
  Value bias() { return weight({shape_.last()}); }

  Value f32(const Shape& shape, Range range = {});
  Value constant(const Shape& shape, Range range = {});  // f32 too, but no gradient is asked for
  Value weight(const Shape& shape, Range range = {}, DType dtype = DType::F32);  // quantized types: encoded
  Value state(const Shape& shape, DType dtype = DType::F32);
  Value ids(const Shape& shape, int64_t n);  // i32 in 0 .. n-1
  Value i32(const Shape& shape, std::vector<int32_t> values);
  // f32, no gradient. A template, so that f32(shape, {0, 1}) means a Range.
  template <std::same_as<std::vector<float>> Values>
  Value f32(const Shape& shape, const Values& values) {
    return input(Tensor::from(shape, std::span<const float>(values)));
  }

  Rng& rng() { return rng_; }
  const std::map<std::string, Tensor>& values() const { return values_; }  // of the graph's inputs, by name

 private:
  Tensor random(const Shape& shape, Range range);
  Value input(const Tensor& values);
  std::string next_name(const char* kind) { return kind + std::to_string(n_names_++); }

  Graph& graph_;
  Shape shape_;
  Rng rng_;
  Mode mode_;
  int n_names_ = 0;
  std::map<std::string, Tensor> values_;
};

struct OpCase {
  virtual ~OpCase() = default;
  virtual Op op() const = 0;
  virtual std::string variant() const { return ""; }  // tells cases of one op apart: "gelu_tanh"
  // Odd ones on purpose: 0, 1, 7, 33, one more than a vector or a tile, and one large enough for several threads.
  virtual std::vector<Shape> shapes() const = 0;
  virtual Value build(Graph& g, Inputs& in) const = 0;  // the shape at hand is in.shape()
  // Largest |a - b| / max(1, |b|) between two ways to compute the same. Say why it is that size.
  virtual double tolerance() const { return 1e-6; }
  virtual bool exact() const { return false; }  // on the cpu: in the mode that rounds no more than it must
  virtual double torch_tolerance() const { return 2 * tolerance(); }  // both round
  virtual bool differentiable() const { return info(op()).differentiable; }
  virtual std::vector<Shape> gradient_shapes() const;  // default: the small ones of shapes() that are not empty

  std::string name() const;  // "unary_gelu_tanh"
};

const std::vector<const OpCase*>& all_cases();
bool add_case(std::unique_ptr<OpCase> op_case);

#define OP_CASE_JOIN_(a, b) a##b
#define OP_CASE_JOIN(a, b) OP_CASE_JOIN_(a, b)
// OP_CASE(UnaryCase, UnaryKind::Exp): registers UnaryCase(UnaryKind::Exp).
#define OP_CASE(type, ...)                                               \
  [[maybe_unused]] static const bool OP_CASE_JOIN(kAdded, __COUNTER__) = \
      add_case(std::unique_ptr<OpCase>(new type(__VA_ARGS__)))

// Builds the case anew (states and all), runs it twice and returns the second result: a program that overwrites its own
// inputs shows.
Tensor run_case(Executor& executor, const OpCase& op_case, const Shape& shape);

// Largest |a - b| / max(1, |b|); infinity if types, shapes, NaNs or infinities differ, or integers are not equal.
double difference(const Tensor& a, const Tensor& b);

}  // namespace galago::test
