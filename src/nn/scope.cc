#include "nn/scope.h"

#include "base/error.h"

namespace galago {

std::string Scope::full(std::string_view name) const {
  return prefix_.empty() ? std::string(name) : fmt::format("{}.{}", prefix_, name);
}

Scope Scope::operator/(std::string_view name) const {
  Scope below = *this;
  below.prefix_ = full(name);
  return below;
}

Scope Scope::with_picture_rows(Value rows) const {
  Scope same = *this;
  same.picture_rows_ = rows;
  return same;
}

bool Scope::has(std::string_view name) const { return weights_->contains(full(name)); }

Value Scope::weight(std::string_view name) const {
  auto found = weights_->find(full(name));
  if (found == weights_->end()) throw not_found("the model has no weight {}", full(name));
  return graph_->weight(found->second);
}

Value Scope::optional(std::string_view name) const { return has(name) ? weight(name) : Value{}; }

Value Scope::constant(std::string_view name, const Tensor& data) const {
  return graph_->weight(std::make_shared<Weight>(Weight{full(name), data}));
}

Value Scope::named(Value value, std::string_view name) const { return graph_->name(value, full(name)); }

}  // namespace galago
