#include "models/model.h"

#include <set>
#include <utility>

#include "base/error.h"
#include "models/config_reader.h"

namespace galago {

Shape WeightSpec::part_shape(const StoredAs& as, size_t part) const {
  Shape result = shape;
  if (as.transposed) std::swap(result[0], result[1]);
  if (as.stored_rows > 0) result[0] = as.stored_rows;
  if (as.parts.size() > 1)
    result[0] = as.part_rows.empty() ? result[0] / static_cast<int64_t>(as.parts.size()) : as.part_rows[part];
  return result;
}

bool CacheSpec::same_table(int64_t n, int64_t other) const {
  if (table_until == 0 || n == other) return true;
  const bool is_long = n > table_until, other_is_long = other > table_until;
  return is_long == other_is_long && !(is_long && table_grows);
}

#define FAMILY(function) Family function##_family();
#include "models/models.def"
#undef FAMILY

std::span<const Family> all_families() {
  static const Family families[] = {
#define FAMILY(function) function##_family(),
#include "models/models.def"
#undef FAMILY
  };
  return families;
}

const Family* find_family(std::string_view name) {
  for (const Family& family : all_families())
    if (family.name == name) return &family;
  return nullptr;
}

std::vector<std::string> prompt_tokens(const Model& model) {
  std::vector<std::string> tokens;
  const Family* family = find_family(model.family());
  if (family && family->control_tokens)
    for (std::string_view token : family->control_tokens()) tokens.emplace_back(token);
  for (std::string& token : model.extra_tokens()) tokens.push_back(std::move(token));
  return tokens;
}

std::unique_ptr<Model> make_model(const Json& config, const std::string& subject) {
  for (const Family& family : all_families())
    if (family.recognises(config)) return family.make(config);
  std::string type = model_type(config);
  throw unsupported("{}: no model family recognises this config (model_type: {}). `galago models` lists them.", subject,
                    type.empty() ? "none given" : type);
}

void require_reference_names(Dialect dialect, std::string_view family) {
  if (dialect != Dialect::HuggingFace) throw unsupported("{} has no llama.cpp files; use the reference's", family);
}

Value Model::importance(const Scope&, Value, const PositionInfo&, int64_t, int64_t) const {
  throw unsupported("{}: leaves no rows of pictures out and has no scores of them", family());
}

int64_t count_parameters(const Model& model) {
  int64_t n = 0;
  std::set<std::vector<std::string>> whole;  // tensors that were counted: several weights may read one
  for (const WeightSpec& spec : model.weights()) {
    bool is_known = spec.stored.rows.empty() && !whole.insert(spec.stored.parts).second;
    if (!spec.optional && !is_known) n += spec.shape.elements();
  }
  return n;
}

}  // namespace galago
