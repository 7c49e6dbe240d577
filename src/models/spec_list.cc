#include "models/spec_list.h"

#include <cmath>
#include <numeric>

namespace galago {

void SpecList::matrix(std::string name, int64_t rows, int64_t cols, std::vector<std::string> parts) {
  rows_.push_back({.name = std::move(name),
                   .shape = {rows, cols},
                   .init_std = kStd,
                   .stored = {std::move(parts)},
                   .quantizable = true});
}

void SpecList::table(std::string name, const Shape& shape, std::vector<std::string> parts) {
  rows_.push_back({.name = std::move(name), .shape = shape, .init_std = kStd, .stored = {std::move(parts)}});
}

void SpecList::gain(std::string name, int64_t n, std::string part) {
  rows_.push_back({.name = std::move(name), .shape = {n}, .init_value = 1, .stored = {{std::move(part)}}});
}

void SpecList::bias(std::string name, int64_t n, std::vector<std::string> parts) {
  rows_.push_back({.name = std::move(name), .shape = {n}, .stored = {std::move(parts)}});
}

void SpecList::layer_norm(const std::string& name, int64_t n, const std::string& part) {
  gain(name + ".weight", n, part + ".weight");
  bias(name + ".bias", n, {part + ".bias"});
}

void SpecList::linear(const std::string& name, int64_t rows, int64_t cols, const std::string& part, bool with_bias) {
  matrix(name + ".weight", rows, cols, {part + ".weight"});
  if (with_bias) bias(name + ".bias", rows, {part + ".bias"});
}

void SpecList::packed(int64_t first_row, int64_t stored_rows) {
  bool with_bias = rows_.back().name.ends_with(".bias");
  for (WeightSpec* row : {&rows_.back(), with_bias ? &before_last() : &rows_.back()}) {
    row->stored.rows.resize(static_cast<size_t>(row->shape[0]));
    std::iota(row->stored.rows.begin(), row->stored.rows.end(), static_cast<int32_t>(first_row));
    row->stored.stored_rows = stored_rows;
  }
}

void SpecList::or_else(const std::string& part) {
  bool with_bias = rows_.back().name.ends_with(".bias");
  if (with_bias) rows_.back().otherwise.push_back({{part + ".bias"}});
  rows_[rows_.size() - (with_bias ? 2 : 1)].otherwise.push_back({{part + ".weight"}});
}

void SpecList::conv_stem(const std::string& name, const std::string& part, const ConvStemConfig& c, int64_t d) {
  for (size_t i = 0; i + 1 < c.channels.size(); ++i) {
    std::string conv = fmt::format(".conv{}", i);
    table(name + conv + ".weight", {c.channels[i + 1], c.channels[i], 3, 3}, {part + conv + ".weight"});
    last().init_std = std::sqrt(2.0f / (9.0f * static_cast<float>(c.channels[i])));  // He et al. 2015, for ReLU
    bias(name + conv + ".bias", c.channels[i + 1], {part + conv + ".bias"});
  }
  layer_norm(name + ".norm", c.features(), part + ".norm");
  linear(name + ".fc", d, c.features(), part + ".fc", true);
}

}  // namespace galago
