// What galago_torch.so offers to torch_loader: the two factories, behind names that dlsym finds.
#include "torch/executor.h"
#include "torch/module_stamp.h"
#include "torch/trainer_program.h"

extern "C" {

__attribute__((visibility("default"))) const char* galago_torch_stamp() {
  static const std::string stamp = galago::torch_backend::module_stamp();
  return stamp.c_str();
}

__attribute__((visibility("default"))) galago::Executor* galago_torch_make_executor(const std::string& device) {
  return galago::torch_backend::make_executor(device).release();
}

__attribute__((visibility("default"))) galago::torch_backend::Trainer* galago_torch_make_trainer(
    const galago::torch_backend::TrainOptions& options) {
  return galago::torch_backend::make_trainer(options).release();
}

}
