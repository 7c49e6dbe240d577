// A model whose weights follow from their names in the reference's checkpoint, as the golden values were made.
#pragma once

#include "models/model.h"
#include "runtime/checkpoint.h"
#include "tests/support/golden.h"

namespace galago::testing {

// The value of a tensor of that name and shape.
using HashRule = Tensor (*)(std::string_view name, const Shape& shape);

// hashed_tensor; says which are embedding-like (0.5 r).
inline Tensor usual_rule(std::string_view name, const Shape& shape) {
  bool wide = name.find("embedding_table") != name.npos || name.find("token_embedding") != name.npos ||
              name.find("position_embedding") != name.npos || name.find("pos_embed") != name.npos ||
              name.find("cls_token") != name.npos;
  return hashed_tensor(name, shape, wide);
}

// Serves hashed tensors under the reference's names.
class HashedSource final : public WeightSource {
 public:
  explicit HashedSource(const Model& model, HashRule rule = usual_rule);
  const std::string& path() const override { return path_; }
  std::vector<std::string> names() const override;
  bool has(std::string_view name) const override { return shapes_.contains(name); }
  Tensor get(std::string_view name) const override { return rule_(name, shapes_.find(name)->second); }

 private:
  HashRule rule_;
  std::string path_ = "hashed";
  std::map<std::string, Shape, std::less<>> shapes_;
};

inline HashedSource::HashedSource(const Model& model, HashRule rule) : rule_(rule) {
  for (const WeightSpec& spec : model.weights())
    for (size_t i = 0; i < spec.stored.parts.size(); ++i)
      shapes_[spec.stored.parts[i]] = spec.part_shape(spec.stored, i);
}

inline std::vector<std::string> HashedSource::names() const {
  std::vector<std::string> all;
  for (auto& [name, shape] : shapes_) all.push_back(name);
  return all;
}

struct GoldenModel {
  std::unique_ptr<Model> model;
  Weights weights;
};

inline GoldenModel golden_model(const Json& config, HashRule rule = usual_rule) {
  GoldenModel golden{.model = make_model(config, "golden"), .weights = {}};
  golden.weights = load_weights(*golden.model, HashedSource(*golden.model, rule), WeightNames::Reference);
  return golden;
}

inline std::vector<LayerCache> empty_caches(const Model& model, int n_context) {
  CacheSpec spec = model.cache();
  std::vector<LayerCache> caches;
  for (int i = 0; i < spec.n_layers; ++i) {
    auto state = [&] {
      return std::make_shared<State>(
          State{"cache", Tensor::make(DType::F32, {1, n_context, spec.n_kv_heads, spec.d_head})});
    };
    caches.push_back({state(), state()});
  }
  return caches;
}

}  // namespace galago::testing
