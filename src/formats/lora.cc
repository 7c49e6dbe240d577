#include "formats/lora.h"

#include <algorithm>

#include "formats/gguf.h"
#include "formats/printable.h"

namespace galago {
namespace {

// Rows and columns of B A: a matrix, or a convolution with its input and kernel axes flattened.
int64_t outputs(const LoraPair& pair) { return pair.b.shape()[0]; }
int64_t inputs(const LoraPair& pair) { return pair.rank() == 0 ? 0 : pair.a.elements() / pair.rank(); }

// w [out, in] += scale * b [out, rank] a [rank, in]. Two ranks at a time halve the traffic of the row of w.
void add_product(float* w, const float* b, const float* a, int64_t out, int64_t rank, int64_t in, float scale) {
  for (int64_t row = 0; row < out; ++row, w += in, b += rank) {
    int64_t r = 0;
    for (; r + 1 < rank; r += 2) {
      const float s0 = scale * b[r], s1 = scale * b[r + 1];
      const float *a0 = a + r * in, *a1 = a0 + in;
      for (int64_t i = 0; i < in; ++i) w[i] += s0 * a0[i] + s1 * a1[i];
    }
    for (; r < rank; ++r)
      for (int64_t i = 0; i < in; ++i) w[i] += scale * b[r] * a[r * in + i];
  }
}

void merge(Tensor& w, const LoraPair& pair, float strength) {
  int64_t out = outputs(pair), in = inputs(pair), rank = pair.rank();
  Tensor a = to_f32(pair.a).reshaped({rank, in}), b = to_f32(pair.b).reshaped({out, rank});
  if (pair.transposed) {  // (B A)^T = A^T B^T
    Tensor at = transposed_f32(a), bt = transposed_f32(b);
    add_product(w.f32().data(), at.f32().data(), bt.f32().data(), in, rank, out, pair.scale * strength);
  } else {
    add_product(w.f32().data(), b.f32().data(), a.f32().data(), out, rank, in, pair.scale * strength);
  }
}

bool is_plain_real(DType dtype) { return dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16; }

Tensor copy_as_f32(const Tensor& tensor) {
  Tensor decoded = to_f32(tensor);
  Tensor copy = Tensor::make(DType::F32, tensor.shape());
  std::ranges::copy(decoded.f32(), copy.f32().begin());
  return copy;
}

}  // namespace

Tensor transposed_f32(const Tensor& matrix) {
  CHECK(matrix.shape().rank() == 2);
  Tensor f32 = to_f32(matrix);
  int64_t rows = matrix.shape()[0], cols = matrix.shape()[1];
  Tensor result = Tensor::make(DType::F32, {cols, rows});
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t col = 0; col < cols; ++col) result.f32()[col * rows + row] = f32.f32()[row * cols + col];
  return result;
}

LoraSource::LoraSource(std::shared_ptr<const WeightSource> base, LoraAdapter adapter, float strength)
    : base_(std::move(base)), adapter_(std::move(adapter)), strength_(strength) {
  path_ = base_->path() + " + " + adapter_.path;
  for (size_t i = 0; i < adapter_.pairs.size(); ++i) pairs_[adapter_.pairs[i].target].push_back(i);
  for (size_t i = 0; i < adapter_.replaced.size(); ++i) replaced_[adapter_.replaced[i].name] = i;
  check_targets();
}

void LoraSource::check_targets() const {
  auto* gguf = dynamic_cast<const GgufFile*>(base_.get());
  if (gguf && !adapter_.architecture.empty() && gguf->get_string("general.architecture") != adapter_.architecture)
    throw invalid_input("{}: an adapter for {}, but {} is {}", adapter_.path, printable(adapter_.architecture),
                        base_->path(), printable(gguf->get_string("general.architecture")));
  for (const LoraPair& pair : adapter_.pairs) {
    if (!has(pair.target))
      throw invalid_input("{}: adapts {}, which {} does not have", adapter_.path, printable(pair.target),
                          base_->path());
    auto replaced = replaced_.find(pair.target);
    Tensor w = replaced == replaced_.end() ? base_->get(pair.target) : adapter_.replaced[replaced->second].tensor;
    int64_t rows = pair.transposed ? inputs(pair) : outputs(pair),
            cols = pair.transposed ? outputs(pair) : inputs(pair);
    bool fits = w.shape().rank() >= 2 && w.shape()[0] == rows && w.elements() / std::max<int64_t>(rows, 1) == cols;
    if (!fits || !info(w.dtype()).decode)
      throw invalid_input("{}: {} of {} {} cannot take an update of {} x {}", adapter_.path, printable(pair.target),
                          info(w.dtype()).name, w.shape().to_string(), rows, cols);
  }
}

std::vector<std::string> LoraSource::names() const {
  std::vector<std::string> names = base_->names();
  for (const NamedTensor& item : adapter_.replaced)
    if (!base_->has(item.name)) names.push_back(item.name);
  return names;
}

bool LoraSource::has(std::string_view name) const { return replaced_.contains(name) || base_->has(name); }

Tensor LoraSource::get(std::string_view name) const {
  auto replaced = replaced_.find(name);
  Tensor base = replaced == replaced_.end() ? base_->get(name) : adapter_.replaced[replaced->second].tensor;
  auto pairs = pairs_.find(name);
  if (pairs == pairs_.end()) return base;
  Tensor merged = copy_as_f32(base);
  for (size_t i : pairs->second) merge(merged, adapter_.pairs[i], strength_);
  bool keeps_format = is_plain_real(base.dtype()) && base.dtype() != DType::F32;
  return keeps_format ? encode(merged, base.dtype()) : merged;
}

}  // namespace galago
