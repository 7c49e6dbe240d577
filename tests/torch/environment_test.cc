// The restart with OpenBLAS's and libgomp's variables happens once and keeps the process.
#include "torch_loader/environment.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace galago::torch_backend {
namespace {

// Runs this very program with a filter that selects the second test, under an environment without the variables.
TEST(Environment, RestartsOnceAndGoesOn) {
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    unsetenv("OPENBLAS_CORETYPE");
    unsetenv("OMP_WAIT_POLICY");
    char name[] = "torch_tests", filter[] = "--gtest_filter=Environment.IsReady";
    setenv("GALAGO_TEST_RESTARTED", "1", 1);
    char* argv[] = {name, filter, nullptr};
    if (!freopen("/dev/null", "w", stdout)) _exit(4);
    prepare_blas_environment(argv);  // does not come back: IsReady runs instead
    _exit(3);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(Environment, IsReady) {
  if (!std::getenv("GALAGO_TEST_RESTARTED")) GTEST_SKIP() << "runs inside RestartsOnceAndGoesOn";
  EXPECT_STREQ(std::getenv("OMP_WAIT_POLICY"), "PASSIVE");
  char* argv[] = {nullptr};
  prepare_blas_environment(argv);  // comes back: nothing is left to set
}

}  // namespace
}  // namespace galago::torch_backend
