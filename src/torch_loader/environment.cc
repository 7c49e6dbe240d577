#include "torch_loader/environment.h"

#include <cstdlib>
#include <string>

#ifdef __linux__
#include <unistd.h>
#include <climits>
#endif

namespace galago::torch_backend {
namespace {

bool has_avx512() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#else
  return false;
#endif
}

// True if the variable was missing.
bool set_default(const char* name, const char* value) {
  if (std::getenv(name)) return false;
  return setenv(name, value, /*overwrite=*/0) == 0;
}

}  // namespace

void prepare_blas_environment(char** argv) {
#ifdef __linux__
  bool changed = has_avx512() && set_default("OPENBLAS_CORETYPE", "SkylakeX");
  changed |= set_default("OMP_WAIT_POLICY", "PASSIVE");
  if (!changed) return;  // always so after the restart, which therefore happens once
  char program[PATH_MAX];
  ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
  if (length <= 0) return;
  program[length] = 0;
  execv(program, argv);
#endif
}

}  // namespace galago::torch_backend
