// Helpers that write the WeightSpec rows of common layers, so that a family's name map reads as a list.
#pragma once

#include <string>
#include <vector>

#include "models/model.h"
#include "nn/conv_stem.h"

namespace galago {

// Collects rows. `init` of matrices is N(0, 0.02), of gains 1, of biases 0, unless said.
class SpecList {
 public:
  static constexpr float kStd = 0.02f;

  // A matrix that linear or gather reads; parts as in WeightSpec.
  void matrix(std::string name, int64_t rows, int64_t cols, std::vector<std::string> parts);
  void table(std::string name, const Shape& shape,
             std::vector<std::string> parts);  // positions, class tokens, conv kernels
  void gain(std::string name, int64_t n, std::string part);
  void bias(std::string name, int64_t n, std::vector<std::string> parts);
  // gain and bias of a layer norm: NAME.weight, NAME.bias.
  void layer_norm(const std::string& name, int64_t n, const std::string& part);
  // weight and bias of a linear layer.
  void linear(const std::string& name, int64_t rows, int64_t cols, const std::string& part, bool with_bias);
  // The weights of nn/conv_stem.h, ending in `d` channels.
  void conv_stem(const std::string& name, const std::string& part, const ConvStemConfig& c, int64_t d);

  // The linear layer that came last is rows first_row .. of a stored one with `stored_rows` rows (packed q, k, v).
  void packed(int64_t first_row, int64_t stored_rows);
  // The linear layer that came last may be found under this name too.
  void or_else(const std::string& part);

  WeightSpec& last() { return rows_.back(); }
  WeightSpec& before_last() { return rows_[rows_.size() - 2]; }
  std::vector<WeightSpec> take() { return std::move(rows_); }

 private:
  std::vector<WeightSpec> rows_;
};

}  // namespace galago
