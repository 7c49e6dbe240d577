// Shape and Tensor. Dimensions are outermost first, as papers print them; data is row-major and contiguous.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"
#include "tensor/dtype.h"

namespace galago {

class Shape {
 public:
  static constexpr int kMaxRank = 6;
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const int64_t> dims);

  int rank() const { return rank_; }
  int64_t operator[](int axis) const { return dims_[index(axis)]; }  // negative axes count from the end
  int64_t& operator[](int axis) { return dims_[index(axis)]; }
  int64_t elements() const;  // 1 for a scalar
  int64_t rows() const;      // elements / last; 1 for a scalar
  int64_t last() const { return rank_ == 0 ? 1 : dims_[rank_ - 1]; }
  std::span<const int64_t> dims() const { return {dims_.data(), static_cast<size_t>(rank_)}; }
  bool operator==(const Shape& other) const;
  std::string to_string() const;  // "2 x 3 x 4"; "scalar"

 private:
  int index(int axis) const;
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

// A view of shared storage. Copying a Tensor copies the view. Not synchronised.
class Tensor {
 public:
  Tensor() = default;
  static Tensor make(DType dtype, const Shape& shape);  // zeroed, 64-byte aligned
  static Tensor from(const Shape& shape, std::span<const float> values);
  static Tensor from(const Shape& shape, std::span<const int32_t> values);
  // A view of memory that `owner` keeps alive (a mapped file, an arena).
  static Tensor view(DType dtype, const Shape& shape, std::byte* data, std::shared_ptr<const void> owner);

  bool defined() const { return data_ != nullptr || shape_.elements() == 0; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t elements() const { return shape_.elements(); }
  size_t n_bytes() const;
  size_t row_bytes() const;  // bytes of one row along the last dimension
  std::byte* bytes() const { return data_; }
  const std::shared_ptr<const void>& owner() const { return owner_; }

  std::span<float> f32() const { return typed<float>(DType::F32); }
  std::span<int32_t> i32() const { return typed<int32_t>(DType::I32); }
  Tensor reshaped(const Shape& shape) const;      // same storage, same number of elements
  Tensor rows(int64_t begin, int64_t end) const;  // same storage, a range of the first dimension

 private:
  template <class T>
  std::span<T> typed(DType wanted) const {
    CHECK(dtype_ == wanted, "tensor is {}, not {}", info(dtype_).name, info(wanted).name);
    return {reinterpret_cast<T*>(data_), static_cast<size_t>(elements())};
  }
  DType dtype_ = DType::F32;
  Shape shape_{0};
  std::byte* data_ = nullptr;
  std::shared_ptr<const void> owner_;
};

size_t row_bytes(DType dtype, int64_t values);  // CHECKs that values is a whole number of blocks
// Decodes; returns the same storage if it is F32 already. Throws InvalidInput for integers.
Tensor to_f32(const Tensor& tensor);
// Encodes rows into another format. Throws InvalidInput if the row length is not a multiple of the block.
Tensor encode(const Tensor& f32, DType dtype);

}  // namespace galago
