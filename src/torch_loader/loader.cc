// The factories of torch/executor.h and torch/trainer_program.h for programs that must start fast: they open
// galago_torch.so, which lies beside the program, the first time one is called. Exceptions pass through it as usual.
#include <dlfcn.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "torch/executor.h"
#include "torch/module_stamp.h"
#include "torch/trainer_program.h"

namespace galago::torch_backend {
namespace {

std::string module_path() {
  std::error_code error;
  auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  return (program.parent_path() / "galago_torch.so").string();
}

void* open_module() {
  std::string path = module_path();
  void* module = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!module) throw unsupported("cannot load libtorch: {}. galago_torch.so is built beside the program.", dlerror());
  auto* stamp = reinterpret_cast<const char* (*)()>(dlsym(module, "galago_torch_stamp"));
  std::string found = stamp ? stamp() : "no stamp";
  if (found != module_stamp())
    throw unsupported("{}: built for {}; this program has {}. Build both together.", path, found, module_stamp());
  return module;
}

void* the_module() {
  static void* module = open_module();
  return module;
}

template <class Function>
Function* find(const char* name) {
  void* symbol = dlsym(the_module(), name);
  CHECK(symbol, "{} has no {}", module_path(), name);
  return reinterpret_cast<Function*>(symbol);
}

}  // namespace

std::unique_ptr<Executor> make_executor(const std::string& device) {
  auto* make = find<Executor*(const std::string&)>("galago_torch_make_executor");
  return std::unique_ptr<Executor>(make(device));
}

std::unique_ptr<Trainer> make_trainer(const TrainOptions& options) {
  auto* make = find<Trainer*(const TrainOptions&)>("galago_torch_make_trainer");
  return std::unique_ptr<Trainer>(make(options));
}

}  // namespace galago::torch_backend
