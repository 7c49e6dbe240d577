// Graphs as lists: names, leaves, the table of ops, and the printer.
#include "graph/graph.h"

#include <gtest/gtest.h>

#include <set>

#include "graph/builder.h"

namespace galago {
namespace {

WeightRef make_weight(const std::string& name, const Shape& shape) {
  return std::make_shared<Weight>(Weight{name, Tensor::make(DType::F32, shape)});
}

TEST(Graph, PrintsOneLineANode) {
  Graph g;
  Value x = g.input("x", DType::F32, {2, 3});
  Value w = g.weight(make_weight("layer.0.w", {4, 3}));
  auto cache = std::make_shared<State>(State{"cache", Tensor::make(DType::F16, {1, 8})});
  g.state(cache);
  Value y = g.name(linear(g, x, w), "hidden");
  g.output(argmax(g, y), "ids");
  EXPECT_EQ(print(g),
            "%0 = input()  [2, 3] f32  \"x\"\n"
            "%1 = weight()  [4, 3] f32  \"layer.0.w\"\n"
            "%2 = state()  [1, 8] f16  \"cache\"\n"
            "%3 = linear(%0, %1)  [2, 4] f32  \"hidden\"\n"
            "%4 = argmax(%3)  [2] i32  \"ids\"\n");
  EXPECT_EQ(print(Graph()), "");
}

TEST(Graph, TheSameWeightIsOneValue) {
  Graph g;
  WeightRef w = make_weight("w", {2}), same_name = make_weight("w", {2});
  EXPECT_EQ(g.weight(w).id, g.weight(w).id);
  EXPECT_NE(g.weight(w).id, g.weight(same_name).id);  // a weight is its address
}

TEST(Graph, FindsInputsOutputsAndNames) {
  Graph g;
  Value x = g.input("x", DType::F32, {2});
  Value y = g.name(affine(g, x, 2), "twice");
  g.output(y, "y");
  EXPECT_EQ(g.find("x").id, x.id);
  EXPECT_EQ(g.find("twice").id, y.id);  // output() keeps the name that is there
  EXPECT_EQ(g.find("y").id, y.id);
  EXPECT_FALSE(g.find("z").valid());
  ASSERT_EQ(g.outputs().size(), 1u);
  EXPECT_EQ(g.outputs()[0].name, "y");
}

TEST(Graph, KvAppendIsTheState) {
  Graph g;
  Value state = g.state(std::make_shared<State>(State{"k", Tensor::make(DType::F16, {1, 8, 2, 4})}));
  Value past = g.input("past", DType::I32, {1}), rows = g.input("rows", DType::F32, {1, 3, 2, 4});
  const Node& node = g.node(kv_append(g, state, rows, past));
  EXPECT_EQ(node.shape, Shape({1, 8, 2, 4}));
  EXPECT_EQ(node.dtype, DType::F16);
  Value many = g.input("many", DType::F32, {1, 9, 2, 4});
  EXPECT_THROW(kv_append(g, state, many, past), Error);
}

TEST(GraphDeathTest, ProgrammersErrorsAbort) {
  Graph g;
  g.input("x", DType::F32, {2});
  EXPECT_DEATH(g.input("x", DType::F32, {2}), "two values called x");
  EXPECT_DEATH(g.node(Value{}), "value 4294967295 of a graph with 1 nodes");
  EXPECT_DEATH(g.add({.op = Op::Add, .inputs = {Value{0}}}), "add with 1 inputs");
  EXPECT_DEATH(g.add({.op = Op::Affine, .inputs = {Value{7}}}), "affine reads a value that is not there");
}

TEST(Ops, TheTableIsInOrderAndNamesAreUnique) {
  std::set<std::string_view> names;
  for (const OpInfo& row : all_ops()) {
    EXPECT_EQ(&info(row.op), &row) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name << " twice";
    EXPECT_LE(row.min_inputs, row.max_inputs) << row.name;
  }
  EXPECT_EQ(info(Op::Input).name, "input");
  EXPECT_EQ(names.count("input"), 0u);
}

}  // namespace
}  // namespace galago
