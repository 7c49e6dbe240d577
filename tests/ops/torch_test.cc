// Every case of tests/ops/cases on the cpu executor against libtorch: the second opinion on each op's meaning.
#include <gtest/gtest.h>

#include "cpu/executor.h"
#include "tests/ops/op_case.h"
#include "torch/executor.h"

namespace galago::test {
namespace {

std::string name_of(const ::testing::TestParamInfo<const OpCase*>& info) { return info.param->name(); }

class CpuAgainstTorch : public ::testing::TestWithParam<const OpCase*> {};

TEST_P(CpuAgainstTorch, Agrees) {
  const OpCase& op_case = *GetParam();
  static const auto pool = std::make_shared<ThreadPool>(2);
  auto cpu = cpu::make_executor(pool, op_case.exact() ? cpu::Mode::Exact : cpu::Mode::Fast);
  auto torch = torch_backend::make_executor("cpu");
  for (const Shape& shape : op_case.shapes()) {
    Tensor got = run_case(*cpu, op_case, shape), expected = run_case(*torch, op_case, shape);
    EXPECT_LE(difference(got, expected), op_case.torch_tolerance()) << shape.to_string();
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, CpuAgainstTorch, ::testing::ValuesIn(all_cases()), name_of);

}  // namespace
}  // namespace galago::test
