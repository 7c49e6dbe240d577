// Speed of the products alone: linear at the sizes of small models, in GFLOP/s (a multiply-add is two), with the time
// of one call. Usage: linear_bench [threads]. Prints the best of repeated calls after a warm-up.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

#include "base/rng.h"
#include "cpu/kernels/kernels.h"
#include "cpu/ops/panels.h"
#include "graph/builder.h"

namespace galago {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Tensor random(const Shape& shape) {
  Rng rng(1);
  Tensor t = Tensor::make(DType::F32, shape);
  for (float& v : t.f32()) v = static_cast<float>(rng.uniform(-1, 1));
  return t;
}

template <class Body>
double best_seconds(Body body) {
  double best = 1e9, end = now() + 0.3;
  for (int i = 0; i < 3 || now() < end; ++i) {
    double start = now();
    body();
    best = std::min(best, now() - start);
  }
  return best;
}

void time_linear(ThreadPool& pool, DType dtype, int64_t k, int64_t n) {
  Tensor weight = random({n, k});
  Tensor packed = cpu::pack_weight(dtype == DType::F32 ? weight : encode(weight, dtype));
  for (int64_t rows : {1, 16, 64, 256}) {
    Tensor x = random({rows, k}), y = random({rows, n});
    Tensor scratch = Tensor::make(DType::U8, {static_cast<int64_t>(cpu::product_scratch(dtype, rows, k, pool.size()))});
    std::span<std::byte> room(scratch.bytes(), scratch.n_bytes());
    cpu::Panels w = cpu::packed_matrix(packed, dtype, n, k);
    double seconds = best_seconds([&] { cpu::multiply(pool, w, x.f32().data(), rows, nullptr, false, y.f32().data(), room); });
    fmt::print("{:5} k {:4} n {:4} rows {:3}  {:7.1f} GFLOP/s  {:8.1f} us\n", info(dtype).name, k, n, rows,
               2e-9 * static_cast<double>(rows * k * n) / seconds, seconds * 1e6);
  }
}

}  // namespace
}  // namespace galago

int main(int argc, char** argv) {
  using galago::DType;
  galago::ThreadPool pool(argc > 1 ? std::atoi(argv[1]) : 1);
  fmt::print("{}, {} threads\n", galago::cpu::to_string(galago::cpu::kernels().isa), pool.size());
  for (DType dtype : {DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q4_0, DType::Q4_K, DType::Q6_K})
    galago::time_linear(pool, dtype, 768, 768);
  galago::time_linear(pool, DType::F32, 192, 768);
  galago::time_linear(pool, DType::Q8_0, 192, 768);
  galago::time_linear(pool, DType::Q4_0, 384, 8192);
}
