// Training speed of the scenes model on random data: steps of forward, backward and AdamW in bf16, without pictures
// being painted. The counterpart of tools/torch_train_pair.py, which does the same in PyTorch.
// Usage: train_bench [steps] [threads] [batch] [text tokens]. Prints pictures a second of every step's median.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "base/clock.h"
#include "base/rng.h"
#include "runtime/checkpoint.h"
#include "runtime/graphs.h"
#include "torch/trainer_program.h"

namespace galago {
namespace {

std::map<std::string, Tensor> random_inputs(const Model& model, int64_t batch, int64_t n_text) {
  Rng rng(1);
  int64_t side = model.pictures().slice.tile;
  Tensor pixels = Tensor::make(DType::F32, {batch, 3, side, side});
  for (float& v : pixels.f32()) v = static_cast<float>(rng.uniform());
  Tensor ids = Tensor::make(DType::I32, {batch, n_text}), targets = Tensor::make(DType::I32, {batch, n_text});
  for (const Tensor& t : {ids, targets})
    for (int32_t& id : t.i32()) id = static_cast<int32_t>(rng.below(model.n_vocab()));
  Tensor positions = Tensor::make(DType::I32, {model.pictures().tokens_per_tile + n_text});
  std::iota(positions.i32().begin(), positions.i32().end(), 0);
  return {{"pixels", pixels}, {"ids", ids}, {"targets", targets}, {"positions", positions}};
}

void run(int steps, int threads, int64_t batch, int64_t n_text) {
  std::shared_ptr<const Model> model = make_model(find_family("hf-nanovlm")->preset("scenes"), "scenes");
  auto trainer = torch_backend::make_trainer({.bf16 = true, .n_threads = threads});
  auto graph = loss_graph(*model, random_weights(*model, 0), batch, 1, n_text);
  auto inputs = random_inputs(*model, batch, n_text);
  std::vector<double> times;
  float loss = 0;
  for (int i = 0; i < steps + 3; ++i) {  // three to warm up
    Stopwatch clock;
    loss = trainer->forward_backward(*graph, inputs, 1);
    trainer->step(1e-4f);
    if (i >= 3) times.push_back(clock.elapsed_ms());
  }
  std::sort(times.begin(), times.end());
  fmt::print("galago  parameters {}  loss {:.3f}  median {:.1f} pictures/s  best {:.1f}\n", count_parameters(*model),
             loss, 1e3 * static_cast<double>(batch) / times[times.size() / 2],
             1e3 * static_cast<double>(batch) / times[0]);
}

}  // namespace
}  // namespace galago

int main(int argc, char** argv) {
  auto argument = [&](int i, int fallback) { return argc > i ? std::atoi(argv[i]) : fallback; };
  galago::run(argument(1, 20), argument(2, 1), argument(3, 32), argument(4, 32));
}
