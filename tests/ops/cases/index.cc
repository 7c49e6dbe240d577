// Cases of the ops that address rows by number.
#include "tests/ops/op_case.h"

namespace galago::test {
namespace {

// Shapes are [rows of the table, width].
struct GatherCase : OpCase {
  DType dtype;
  explicit GatherCase(DType dtype) : dtype(dtype) {}
  Op op() const override { return Op::Gather; }
  std::string variant() const override { return std::string(info(dtype).name); }
  std::vector<Shape> shapes() const override { return {{1, 256}, {7, 512}, {200, 768}}; }
  Value build(Graph& g, Inputs& in) const override {
    Value table = dtype == DType::F32 ? in.x() : in.weight(in.shape(), {}, dtype);
    return gather(g, table, in.ids({3, 17}, in.shape()[0]));
  }
  bool differentiable() const override { return dtype == DType::F32; }
  std::vector<Shape> gradient_shapes() const override { return {{5, 3}}; }
  double tolerance() const override { return 0; }
};
OP_CASE(GatherCase, DType::F32);
OP_CASE(GatherCase, DType::F16);
OP_CASE(GatherCase, DType::BF16);
OP_CASE(GatherCase, DType::Q4_0);
OP_CASE(GatherCase, DType::Q4_1);
OP_CASE(GatherCase, DType::Q5_0);
OP_CASE(GatherCase, DType::Q5_1);
OP_CASE(GatherCase, DType::Q8_0);
OP_CASE(GatherCase, DType::Q2_K);
OP_CASE(GatherCase, DType::Q3_K);
OP_CASE(GatherCase, DType::Q4_K);
OP_CASE(GatherCase, DType::Q5_K);
OP_CASE(GatherCase, DType::Q6_K);
OP_CASE(GatherCase, DType::IQ4_NL);
OP_CASE(GatherCase, DType::IQ4_XS);

struct GatherValueCase : OpCase {
  Op op() const override { return Op::Gather; }
  std::string variant() const override { return "value"; }
  std::vector<Shape> shapes() const override { return {{3}, {5, 2, 7}, {4, 0}}; }
  Value build(Graph& g, Inputs& in) const override { return gather(g, in.x(), in.ids({9}, in.shape()[0])); }
  double tolerance() const override { return 0; }
};
OP_CASE(GatherValueCase);

struct GatherIdsCase : OpCase {  // an i32 table, and no ids at all
  Op op() const override { return Op::Gather; }
  std::string variant() const override { return "i32"; }
  std::vector<Shape> shapes() const override { return {{0}, {1}, {2, 5}}; }
  Value build(Graph& g, Inputs& in) const override { return gather(g, in.ids({9}, 50), in.ids(in.shape(), 9)); }
  bool differentiable() const override { return false; }
  double tolerance() const override { return 0; }
};
OP_CASE(GatherIdsCase);

// A repeated id (the last row wins) and a skipped one.
struct ScatterCase : OpCase {
  Op op() const override { return Op::Scatter; }
  std::vector<Shape> shapes() const override { return {{5, 7}, {4, 1}, {9, 33}, {3, 2, 5}, {3, 0}}; }
  Value build(Graph& g, Inputs& in) const override {
    Shape rows = in.shape();
    rows[0] = 4;
    return scatter(g, in.x(), in.f32(rows), in.i32({4}, {2, -1, 0, 2}));
  }
  double tolerance() const override { return 0; }
};
OP_CASE(ScatterCase);

struct ScatterNothingCase : OpCase {
  Op op() const override { return Op::Scatter; }
  std::string variant() const override { return "nothing"; }
  std::vector<Shape> shapes() const override { return {{5, 7}, {0, 7}}; }
  Value build(Graph& g, Inputs& in) const override {
    return scatter(g, in.x(), in.constant({0, in.shape()[1]}), in.i32({0}, {}));
  }
  bool differentiable() const override { return false; }
  double tolerance() const override { return 0; }
};
OP_CASE(ScatterNothingCase);

struct KvAppendCase : OpCase {
  DType dtype;
  explicit KvAppendCase(DType dtype) : dtype(dtype) {}
  Op op() const override { return Op::KvAppend; }
  std::string variant() const override { return std::string(info(dtype).name); }
  std::vector<Shape> shapes() const override { return {{1, 1, 2, 7}, {2, 5, 1, 33}, {1, 0, 2, 8}}; }
  Value build(Graph& g, Inputs& in) const override {
    Shape cache = in.shape();
    cache[1] += 6;
    Value state = in.state(cache, dtype);
    return kv_append(g, state, in.x(), in.i32({1}, {3}));
  }
  double tolerance() const override { return 0; }
};
OP_CASE(KvAppendCase, DType::F32);
OP_CASE(KvAppendCase, DType::F16);

}  // namespace
}  // namespace galago::test
