// A model whose weights follow from their names in the reference's checkpoint, as the golden values were made.
#pragma once

#include "models/model.h"
#include "runtime/checkpoint.h"
#include "tests/support/golden.h"

namespace galago::testing {

// Serves hashed tensors under the reference's names. `wide` says which are embedding-like (0.5 r).
class HashedSource final : public WeightSource {
 public:
  explicit HashedSource(const Model& model);
  const std::string& path() const override { return path_; }
  std::vector<std::string> names() const override;
  bool has(std::string_view name) const override { return shapes_.contains(name); }
  Tensor get(std::string_view name) const override;

 private:
  std::string path_ = "hashed";
  std::map<std::string, Shape, std::less<>> shapes_;
};

inline HashedSource::HashedSource(const Model& model) {
  for (const WeightSpec& spec : model.weights())
    for (size_t i = 0; i < spec.stored.parts.size(); ++i)
      shapes_[spec.stored.parts[i]] = spec.part_shape(spec.stored, i);
}

inline std::vector<std::string> HashedSource::names() const {
  std::vector<std::string> all;
  for (auto& [name, shape] : shapes_) all.push_back(name);
  return all;
}

inline Tensor HashedSource::get(std::string_view name) const {
  bool wide = name.find("embedding_table") != name.npos || name.find("token_embedding") != name.npos ||
              name.find("position_embedding") != name.npos || name.find("pos_embedding") != name.npos ||
              name.find("cls_token") != name.npos;
  return hashed_tensor(name, shapes_.find(name)->second, wide);
}

struct GoldenModel {
  std::unique_ptr<Model> model;
  Weights weights;
};

inline GoldenModel golden_model(const Json& config) {
  GoldenModel golden{.model = make_model(config, "golden"), .weights = {}};
  golden.weights = load_weights(*golden.model, HashedSource(*golden.model), WeightNames::Reference);
  return golden;
}

}  // namespace galago::testing
