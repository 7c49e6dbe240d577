#include "tensor/tensor.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace galago {

Shape::Shape(std::span<const int64_t> dims) : rank_(static_cast<int>(dims.size())) {
  CHECK(dims.size() <= kMaxRank, "{} dimensions; at most {}", dims.size(), kMaxRank);
  for (int i = 0; i < rank_; ++i) {
    CHECK(dims[i] >= 0, "dimension {} is {}", i, dims[i]);
    dims_[i] = dims[i];
  }
}

int Shape::index(int axis) const {
  int i = axis < 0 ? axis + rank_ : axis;
  CHECK(i >= 0 && i < rank_, "axis {} of a tensor with {} dimensions", axis, rank_);
  return i;
}

int64_t Shape::elements() const {
  int64_t n = 1;
  for (int64_t dim : dims()) n *= dim;
  return n;
}

int64_t Shape::rows() const {
  int64_t n = 1;
  for (int i = 0; i + 1 < rank_; ++i) n *= dims_[i];
  return n;
}

bool Shape::operator==(const Shape& other) const {
  return std::equal(dims().begin(), dims().end(), other.dims().begin(), other.dims().end());
}

std::string Shape::to_string() const { return rank_ == 0 ? "scalar" : fmt::format("{}", fmt::join(dims(), " x ")); }

size_t row_bytes(DType dtype, int64_t values) {
  const DTypeInfo& type = info(dtype);
  CHECK(values % type.block_values == 0, "{} values are no whole number of {} blocks", values, type.name);
  return static_cast<size_t>(values / type.block_values) * type.block_bytes;
}

namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kLarge = 1 << 20;  // from here on calloc takes zero pages, which are no memory until they are written

std::shared_ptr<std::byte> zeroed(size_t n) {
  if (n < kLarge) {
    auto* memory = static_cast<std::byte*>(::operator new (n, std::align_val_t{kAlignment}));
    std::memset(memory, 0, n);
    return {memory, [](std::byte* p) { ::operator delete (p, std::align_val_t{kAlignment}); }};
  }
  void* block = std::calloc(n + kAlignment, 1);
  if (!block) throw std::bad_alloc();
  const size_t past = reinterpret_cast<uintptr_t>(block) % kAlignment;
  return {static_cast<std::byte*>(block) + (kAlignment - past), [block](std::byte*) { std::free(block); }};
}

}  // namespace

Tensor Tensor::make(DType dtype, const Shape& shape) {
  Tensor tensor = view(dtype, shape, nullptr, nullptr);
  std::shared_ptr<std::byte> memory = zeroed(std::max<size_t>(tensor.n_bytes(), 1));
  tensor.data_ = memory.get();
  tensor.owner_ = std::move(memory);
  return tensor;
}

Tensor Tensor::from(const Shape& shape, std::span<const float> values) {
  CHECK(static_cast<int64_t>(values.size()) == shape.elements());
  Tensor tensor = make(DType::F32, shape);
  std::copy(values.begin(), values.end(), tensor.f32().begin());
  return tensor;
}

Tensor Tensor::from(const Shape& shape, std::span<const int32_t> values) {
  CHECK(static_cast<int64_t>(values.size()) == shape.elements());
  Tensor tensor = make(DType::I32, shape);
  std::copy(values.begin(), values.end(), tensor.i32().begin());
  return tensor;
}

Tensor Tensor::view(DType dtype, const Shape& shape, std::byte* data, std::shared_ptr<const void> owner) {
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.shape_ = shape;
  tensor.data_ = data;
  tensor.owner_ = std::move(owner);
  return tensor;
}

size_t Tensor::row_bytes() const { return galago::row_bytes(dtype_, shape_.last()); }

size_t Tensor::n_bytes() const { return row_bytes() * static_cast<size_t>(shape_.rows()); }

Tensor Tensor::reshaped(const Shape& shape) const {
  CHECK(shape.elements() == elements(), "{} to {}", shape_.to_string(), shape.to_string());
  return view(dtype_, shape, data_, owner_);
}

Tensor Tensor::rows(int64_t begin, int64_t end) const {
  CHECK(shape_.rank() >= 1 && 0 <= begin && begin <= end && end <= shape_[0]);
  Shape shape = shape_;
  shape[0] = end - begin;
  size_t step = shape_[0] == 0 ? 0 : n_bytes() / static_cast<size_t>(shape_[0]);
  return view(dtype_, shape, data_ + static_cast<size_t>(begin) * step, owner_);
}

Tensor to_f32(const Tensor& tensor) {
  if (tensor.dtype() == DType::F32) return tensor;
  const DTypeInfo& type = info(tensor.dtype());
  if (!type.decode)  // a file may store any weight as integers
    throw invalid_input("a tensor of {} was found where real numbers are expected", type.name);
  Tensor result = Tensor::make(DType::F32, tensor.shape());
  type.decode(tensor.bytes(), result.f32().data(), tensor.elements());
  return result;
}

Tensor encode(const Tensor& f32, DType dtype) {
  const DTypeInfo& type = info(dtype);
  if (!type.encode) throw unsupported("{}: this format can be read, not written", type.name);
  int64_t width = f32.shape().last();
  if (width % type.block_values != 0)
    throw invalid_input("rows of {} values cannot be stored as {}: not a multiple of {}", width, type.name,
                        type.block_values);
  Tensor result = Tensor::make(dtype, f32.shape());
  size_t bytes = galago::row_bytes(dtype, width);
  for (int64_t row = 0; row < f32.shape().rows(); ++row)
    type.encode(f32.f32().data() + row * width, result.bytes() + row * bytes, width, nullptr);
  return result;
}

}  // namespace galago
