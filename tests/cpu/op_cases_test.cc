// Every case of tests/ops/cases: the fast path of each instruction set of this processor against the scalar meaning.
#include <gtest/gtest.h>

#include "cpu/executor.h"
#include "cpu/kernels/kernels.h"
#include "cpu/op.h"
#include "tests/ops/op_case.h"

namespace galago::test {
namespace {

using Param = std::tuple<const OpCase*, cpu::Isa>;

std::string name_of(const ::testing::TestParamInfo<Param>& info) {
  return std::get<0>(info.param)->name() + "_" + std::string(to_string(std::get<1>(info.param)));
}

class FastAgainstScalar : public ::testing::TestWithParam<Param> {};

TEST_P(FastAgainstScalar, Agrees) {
  auto [op_case, isa] = GetParam();
  cpu::ScopedIsa forced(isa);
  static const auto pool = std::make_shared<ThreadPool>(3);
  auto fast = cpu::make_executor(pool, op_case->exact() ? cpu::Mode::Exact : cpu::Mode::Fast),
       scalar = cpu::make_executor(pool, cpu::Mode::Scalar);
  for (const Shape& shape : op_case->shapes()) {
    Tensor got = run_case(*fast, *op_case, shape), expected = run_case(*scalar, *op_case, shape);
    EXPECT_LE(difference(got, expected), op_case->tolerance()) << shape.to_string();
  }
}

std::vector<cpu::Isa> isas() { return {cpu::available_isas().begin(), cpu::available_isas().end()}; }

INSTANTIATE_TEST_SUITE_P(Ops, FastAgainstScalar,
                         ::testing::Combine(::testing::ValuesIn(all_cases()), ::testing::ValuesIn(isas())), name_of);

TEST(OpCases, EveryOpHasOne) {
  for (const OpInfo& op : all_ops()) {
    auto same = [&](const OpCase* op_case) { return op_case->op() == op.op; };
    EXPECT_TRUE(std::any_of(all_cases().begin(), all_cases().end(), same))
        << op.name << " has no case in tests/ops/cases";
  }
}

TEST(OpCases, EveryOpHasBothVersions) {
  for (const OpInfo& op : all_ops()) {
    EXPECT_NE(cpu::cpu_op(op.op).scalar, nullptr) << op.name;
    EXPECT_NE(cpu::cpu_op(op.op).fast, nullptr) << op.name;
  }
}

}  // namespace
}  // namespace galago::test
